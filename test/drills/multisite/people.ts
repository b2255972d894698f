import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { OwnMesh } from '../../mesh.ts';
import { enrolDevice, type TestDevice } from '../../mesh-device.ts';
import { branchOrigin, siteNames } from '../../site-world.ts';

/** One request of the slave site's people; times are monotonic milliseconds. */
export interface Asked {
  readonly begun: number;
  readonly ended: number;
  /** Undefined when it was answered. */
  readonly failure: string | undefined;
}

/** People at the slave site, who ask for pages of what is there. */
export interface SlavePeople {
  readonly asked: readonly Asked[];
  /** Each of them pauses so long after an answer. */
  pauseMs: number;
  /** Ends with the last of what is under way. */
  stop(): Promise<void>;
}

/** Shorter than the SDK would wait: who is refused is to be seen. */
const deadlineMs = 5000;

export async function startPeople(mesh: OwnMesh, count: number, pauseMs: number): Promise<SlavePeople> {
  const phones: TestDevice[] = [];
  const running: Promise<void>[] = [];
  let stopped = false;
  const asked: Asked[] = [];
  const people = {
    asked,
    pauseMs,
    stop: async () => {
      stopped = true;
      await Promise.all(running);
      for (const { device } of phones) device.close();
    },
  };
  const work = async (phone: TestDevice): Promise<void> => {
    const { user, password } = phone.credentials;
    const session = await phone.device.open({ user: `${user}@${siteNames.slave}`, password });
    const ask = async (): Promise<void> => {
      const response = await session.fetch(`${branchOrigin}/whoami`, { timeoutMs: deadlineMs });
      await response.bytes();
      if (response.status !== 200) throw new Error(`status ${response.status}`);
    };
    // Until its proxy has the policy.
    await waitFor(
      () =>
        ask().then(
          () => true,
          () => false,
        ),
      { timeoutMs: 60_000, what: 'the branch to be open' },
    );
    running.push(
      (async () => {
        while (!stopped) {
          const begun = performance.now();
          const failure = await ask().then(
            () => undefined,
            (error: unknown) => SallyportError.from(error).reason,
          );
          asked.push({ begun, ended: performance.now(), failure });
          if (people.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, people.pauseMs));
        }
      })(),
    );
  };
  try {
    for (let n = 0; n < count; n++) {
      const phone = await enrolDevice(mesh);
      phones.push(phone);
      await work(phone);
    }
  } catch (error) {
    await people.stop();
    throw error;
  }
  return people;
}
