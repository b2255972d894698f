import type { Pod } from '#compose/topology/types.ts';
import type { Supervised } from './supervised.ts';
import { misses } from './troubles.ts';

export interface WatchdogDeps {
  /** Those that are looked after, at present. */
  readonly pods: () => readonly Pod[];
  readonly running: () => ReadonlyMap<string, Pick<Supervised, 'identity' | 'isRunning' | 'signal'>>;
  /** Asks a pod's process how it is. @throws when it does not answer */
  readonly ask: (pod: Pod) => Promise<unknown>;
  readonly progress: (line: string) => void;
  /** Somebody has begun to be silent, is so for longer, or speaks again. */
  readonly onMissed?: () => void;
}

interface Seen {
  readonly pid: number;
  answered: boolean;
  missed: number;
}

/**
 * Kills processes that run and answer nothing any more; they are started again as whatever dies. It counts questions
 * instead of seconds: when the machine is too busy to ask, it is too busy to answer. One that has never answered is
 * still starting.
 */
export class Watchdog {
  readonly #deps: WatchdogDeps;
  readonly #seen = new Map<string, Seen>();
  #looking = false;

  constructor(deps: WatchdogDeps) {
    this.#deps = deps;
  }

  /** Questions in a row without an answer, by pod; those that have answered before, and do not. */
  get missed(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#seen].flatMap(([pod, { answered, missed }]) =>
        answered && missed > 0 ? [[pod, missed]] : [],
      ),
    );
  }

  /** To be called once a second. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const pods = this.#deps.pods();
      const names = new Set(pods.map(({ name }) => name));
      for (const name of this.#seen.keys()) if (!names.has(name)) this.#seen.delete(name);
      const before = wordsOf(this.missed);
      await Promise.all(pods.map((pod) => this.#lookAt(pod)));
      if (wordsOf(this.missed) !== before) this.#deps.onMissed?.();
    } finally {
      this.#looking = false;
    }
  }

  async #lookAt(pod: Pod): Promise<void> {
    const { running, ask, progress } = this.#deps;
    const process = running().get(`${pod.name} process`);
    const pid = process?.isRunning ? process.identity?.pid : undefined;
    if (process === undefined || pid === undefined) {
      this.#seen.delete(pod.name);
      return;
    }
    const before = this.#seen.get(pod.name);
    const seen = before?.pid === pid ? before : { pid, answered: false, missed: 0 };
    this.#seen.set(pod.name, seen);
    try {
      await ask(pod);
      seen.answered = true;
      seen.missed = 0;
    } catch {
      // Why does not matter; what counts is that it goes on.
      seen.missed += 1;
    }
    if (!seen.answered || seen.missed < misses || !process.isRunning || process.identity?.pid !== pid) return;
    progress(`${pod.name} process hangs: it has not answered ${seen.missed} times; killing it`);
    this.#seen.delete(pod.name);
    process.signal('SIGKILL');
  }
}

const wordsOf = (missed: ReadonlyMap<string, number>): string => JSON.stringify([...missed]);
