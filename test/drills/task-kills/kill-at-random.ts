import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { AloneContext } from '../drill.ts';
import { between, chosen } from '../random.ts';
import type { Work } from './work.ts';

/** Something that can be killed, and is started again by whoever looks after it. */
export interface Killable {
  readonly name: string;
  /** Of this many draws one is its; default 1. */
  readonly weight?: number;
  /** SIGKILL. False: not now, as it does not work yet, or nobody could take its place. */
  kill(): Promise<boolean>;
}

export interface KillOptions
  extends Pick<AloneContext, 'random' | 'signal' | 'note' | 'figure' | 'progress'> {
  readonly work: Work;
  readonly kills: number;
  readonly victims: readonly Killable[];
  /** Milliseconds between two kills, at least and at most. */
  readonly everyMs: readonly [number, number];
}

/** For all that was submitted to end, once nothing is killed any more: a database node may be on its way back. */
const endMs = 300_000;
/** For work to go on at all while things are killed. */
const progressMs = 300_000;
const progressEvery = 50;

/**
 * Kills one after the other while tasks run, then lets them end, and says what their journals and their receiver's have.
 * Who is next and when comes from `random` alone.
 * @throws when nothing goes on, or tasks do not end
 */
export async function killAtRandom(o: KillOptions): Promise<void> {
  const { work, random, signal, victims } = o;
  const lots = victims.flatMap((each) => Array.from({ length: each.weight ?? 1 }, () => each));
  const killed = new Map<string, number>();
  let [had, hadAt, longest] = [-1, performance.now(), 0];
  const look = (): void => {
    const now = performance.now();
    if (work.had > had) [had, hadAt] = [work.had, now];
    longest = Math.max(longest, now - hadAt);
    if (now - hadAt > progressMs) throw new Error(`no effect was had in ${progressMs / 1000} s`);
  };
  for (let kills = 0; kills < o.kills; ) {
    const [victim, pauseMs] = [chosen(random, lots), between(random, ...o.everyMs)];
    await work.keepUp();
    await systemClock.sleep(pauseMs, signal);
    look();
    if (!(await victim.kill())) continue;
    kills += 1;
    const group = victim.name.replace(/-\d+/, '');
    killed.set(group, (killed.get(group) ?? 0) + 1);
    if (kills % progressEvery === 0) o.progress(`    ${kills} kills, ${work.had} effects`);
  }
  let left: string[] = [];
  await waitFor(
    async () => {
      left = await work.unfinished();
      return left.length === 0;
    },
    { timeoutMs: endMs, everyMs: 500, what: 'all tasks to end', signal },
  ).catch((error: unknown) => {
    signal.throwIfAborted();
    o.note(`${String(error)}: ${left.slice(0, 5).join('; ')}`);
  });
  const { lost, doubled, again } = await work.judge();
  for (const what of [...lost.slice(0, 5), ...doubled.slice(0, 5)]) o.note(what);
  o.note([...killed].map(([name, times]) => `${name}: ${times}`).join(', '));
  o.figure({ name: 'kills', value: o.kills, unit: '' });
  o.figure({ name: 'effects', value: work.had, unit: '', atLeast: 1 });
  o.figure({ name: 'effects begun again, had once', value: again, unit: '' });
  o.figure({ name: 'tasks put aside, and told to go on', value: work.retried, unit: '' });
  o.figure({ name: 'steps lost', value: lost.length, unit: '', atMost: 0 });
  o.figure({ name: 'effects doubled', value: doubled.length, unit: '', atMost: 0 });
  o.figure({ name: 'tasks that did not end', value: left.length, unit: '', atMost: 0 });
  o.figure({ name: 'longest time without an effect', value: Math.round(longest) / 1000, unit: 's' });
}
