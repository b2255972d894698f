import type { TestDevice } from '#test/mesh-device.ts';
import { branchOrigin, siteNames } from '#test/site-world.ts';

/** Phones that log in, read a page and log out, over and over; what fails is tried again. */
export interface Visitors {
  readonly logins: number;
  /** All of them go to that site from now on. */
  goTo(site: string): void;
  /** Resolves with the next login that begins after this call. */
  nextLogin(): Promise<void>;
  /** How many have logged in since {@link goTo}. */
  loggedIn(): number;
  stop(): Promise<void>;
}

const pauseMs = 300;
const timeoutMs = 5000;

export function startVisitors(phones: readonly TestDevice[], sites: readonly string[]): Visitors {
  let logins = 0;
  let stopped = false;
  let moved: string | undefined;
  const since = new Set<TestDevice>();
  let waiting: { readonly from: number; readonly tell: () => void }[] = [];
  const visit = async (phone: TestDevice, site: string): Promise<void> => {
    const begun = performance.now();
    const wasMoved = moved !== undefined;
    const { user, ...credentials } = phone.credentials;
    const session = await phone.device.open({ ...credentials, user: `${user}@${site}` });
    logins += 1;
    if (wasMoved) since.add(phone);
    for (const { tell } of waiting.filter(({ from }) => from <= begun)) tell();
    waiting = waiting.filter(({ from }) => from > begun);
    const page = site === siteNames.slave ? `${branchOrigin}/whoami` : '/whoami';
    await (await session.fetch(page, { timeoutMs })).bytes();
    await session.close();
  };
  const running = phones.map(async (phone, n) => {
    while (!stopped) {
      // While the master is away nobody can log in.
      await visit(phone, moved ?? sites[n] ?? siteNames.master).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  });
  return {
    get logins() {
      return logins;
    },
    goTo: (site) => {
      moved = site;
      since.clear();
    },
    nextLogin: () =>
      new Promise<void>((tell) => {
        waiting.push({ from: performance.now(), tell });
      }),
    loggedIn: () => since.size,
    stop: async () => {
      stopped = true;
      await Promise.all(running);
      for (const { device } of phones) device.close();
    },
  };
}
