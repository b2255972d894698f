import { demoOrigin } from '#compose/demo/app.ts';
import type { Phone } from '#compose/demo/phone.ts';
import { demoPassword, type OwnMesh, startTestPhone } from '#test/mesh.ts';
import { nearestRank } from '../nearest-rank.ts';

export interface Backups {
  readonly off: () => Promise<void>;
  readonly on: () => Promise<void>;
  /** Makes one, and gives the seconds that it took until it was proven. */
  readonly snapshot: () => Promise<number>;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Slowed {
  /** By how much logins take longer than without backups, in percent of their median. */
  readonly logPercent: number;
  readonly busyPercent: number;
  readonly snapshotSeconds: number;
  readonly text: string;
}

const phones = 4;
const rounds = 4;
const calmMs = 5000;

/**
 * Logs in again and again, one login at a time: without backups, while the log is brought, and while a snapshot is made;
 * in turn, so that whatever else the machine does befalls all three.
 */
export async function compareLogins(mesh: OwnMesh, backups: Backups): Promise<Slowed> {
  const all: Phone[] = [];
  for (let n = 0; n < phones; n += 1) all.push(await startTestPhone(mesh, { name: `phone-${n}` }));
  const password = demoPassword(mesh);
  let turn = 0;
  const times = { off: [] as number[], log: [] as number[], busy: [] as number[] };
  const logIn = async (into: number[]): Promise<void> => {
    backups.signal.throwIfAborted();
    const phone = all[turn++ % phones];
    const began = performance.now();
    const session = await phone?.device.open({ user: mesh.demo.user, password, origin: demoOrigin });
    into.push(performance.now() - began);
    await session?.close();
  };
  const logInFor = async (ms: number, into: number[]): Promise<void> => {
    for (const end = performance.now() + ms; performance.now() < end; ) await logIn(into);
  };
  let seconds = 0;
  await logInFor(calmMs, []);
  for (let round = 1; round <= rounds; round += 1) {
    backups.progress(`    round ${round} of ${rounds}`);
    await logInFor(calmMs, times.off);
    await backups.on();
    await logInFor(calmMs, times.log);
    let done = false;
    const snapshot = backups.snapshot().finally(() => {
      done = true;
    });
    // It is waited for below, and may fail before.
    snapshot.catch(() => undefined);
    while (!done) await logIn(times.busy);
    seconds += await snapshot;
    // After the last one they go on, for whoever looks at what they are worth.
    if (round < rounds) await backups.off();
  }
  for (const phone of all) await phone.close();
  const median = (of: number[]): number => nearestRank(of, 0.5);
  const slower = (of: number[]): number => Math.round((median(of) / median(times.off) - 1) * 1000) / 10;
  const told = Object.entries(times).map(
    ([name, of]) => `${name} ${median(of).toFixed(1)} ms of ${of.length}`,
  );
  return {
    logPercent: slower(times.log),
    busyPercent: slower(times.busy),
    snapshotSeconds: seconds / rounds,
    text: told.join(', '),
  };
}
