import { SallyportError } from '#core/errors/error.ts';
import type { HookReceiver } from '../../tasks/receivers.ts';

export const kind = 'task-kills';
export const partSteps = 2;
/** Milliseconds for which a task waits, holding no worker. */
export const pauseMs = 300;
/** Tasks that are submitted at a time, and effects of each. */
const batch = 12;
const steps = 6;

/** Of one task. */
export interface Input {
  /** The receiver of its effects. */
  readonly url: string;
  /** Its name in what the receiver gets. */
  readonly label: string;
  readonly steps: number;
  /** Fails when all is done, and takes it back. */
  readonly takenBack?: true;
  /** Is the child of another: has none itself. */
  readonly isPart?: true;
}

/** What a task has done by another one. */
export const partOf = (input: Input): Input | undefined =>
  input.isPart || input.takenBack
    ? undefined
    : { url: input.url, label: `${input.label}.part`, steps: partSteps, isPart: true };

/** All that its receiver is to get of a task, each once. */
export function effectsOf(input: Input): readonly string[] {
  const numbers = Array.from({ length: input.steps }, (_, n) => n + 1);
  const part = partOf(input);
  return [
    ...numbers.map((n) => `${input.label} effect ${n}`),
    ...(input.takenBack ? numbers.map((n) => `${input.label} undo ${n}`) : []),
    ...(part === undefined ? [] : effectsOf(part)),
  ];
}

/** How a task has ended, and the names of its journal. */
export interface Ended {
  readonly state: 'open' | 'done' | 'failed' | 'cancelled' | 'dead';
  readonly names: readonly string[];
}

/** Where tasks are given to workers. */
export interface Place {
  submit: (input: Input, requestKey: string) => Promise<string>;
  /** @throws while it cannot be told */
  find(id: string): Promise<Ended>;
  /** As an operator has one go on that was put aside: `tasks retry`. */
  retry(id: string): Promise<void>;
}

/** Tasks that go on while others are killed. */
export class Work {
  readonly #place: Place;
  readonly #receiver: HookReceiver;
  readonly tasks = new Map<string, Input>();
  #expected = 0;
  /** Tasks that were put aside, as their workers died again and again, and went on when they were told to. */
  retried = 0;

  constructor(place: Place, receiver: HookReceiver) {
    this.#place = place;
    this.#receiver = receiver;
  }

  /** Effects that are had. */
  get had(): number {
    return this.#receiver.effects.length;
  }

  /** Submits more when half of what there was is done. While nobody can take them it is tried again next time. */
  async keepUp(): Promise<void> {
    if (this.#expected - this.had > (batch * steps) / 2) return;
    const from = this.tasks.size;
    const inputs = Array.from({ length: batch }, (_, n): Input => {
      const isLast = n === batch - 1;
      return {
        ...{ url: this.#receiver.url, label: `task-${from + n}`, steps },
        ...(isLast && { takenBack: true }),
      };
    });
    let ids: readonly string[];
    try {
      // What was taken is the same task when it is submitted again under its key.
      ids = await Promise.all(
        inputs.map((input) => this.#place.submit(input, `task-kills-of-${input.label}`)),
      );
    } catch (thrown) {
      const { status, reason } = SallyportError.from(thrown);
      if (status === 'UNAVAILABLE' || status === 'DEADLINE_EXCEEDED' || reason === 'DB_OUTCOME_UNKNOWN')
        return;
      throw thrown;
    }
    for (const [n, input] of inputs.entries()) {
      this.tasks.set(ids[n] ?? '', input);
      this.#expected += effectsOf(input).length;
    }
  }

  /** Tasks that have not ended as they are to. Those that were put aside are told to go on. */
  async unfinished(): Promise<string[]> {
    const all = [...this.tasks].map(async ([id, { label, takenBack }]) => {
      const { state } = await this.#place.find(id);
      if (state === 'dead') {
        await this.#place.retry(id);
        this.retried += 1;
      }
      return state === (takenBack ? 'failed' : 'done') ? [] : [`${label} (${id}) is ${state}`];
    });
    return (await Promise.all(all)).flat();
  }

  /** What the history says, at the end: journals against what the receiver has got. */
  async judge(): Promise<{ readonly lost: string[]; readonly doubled: string[]; readonly again: number }> {
    const got = Map.groupBy(this.#receiver.effects as readonly string[], (effect) => effect);
    const lost: string[] = [];
    const expected = new Set<string>();
    for (const [id, input] of this.tasks) {
      for (const effect of effectsOf(input)) {
        expected.add(effect);
        if (!got.has(effect)) lost.push(`${effect} was not had`);
      }
      const { names } = await this.#place.find(id);
      for (let n = 1; n <= input.steps; n++)
        if (!names.includes(`effect ${n}`)) lost.push(`${input.label} effect ${n} is not in its journal`);
    }
    const doubled = [...got].flatMap(([effect, { length }]) => {
      if (!expected.has(effect)) return [`${effect}, which nobody is to have`];
      return length > 1 ? [`${effect}, ${length} times`] : [];
    });
    const { keys } = this.#receiver;
    return { lost, doubled, again: keys.length - new Set(keys).size };
  }
}
