import { isReason, SallyportError } from '#core/errors/error.ts';
import { askName, isReserved, stepToken } from '../store/ids.ts';
import type {
  ClaimedTask,
  JournalEntry,
  JournalRow,
  NewItem,
  Release,
  TaskError,
} from '../store/task-store.ts';
import { newItem } from '../work-items/new-item.ts';
import type {
  Answer,
  Ask,
  RetryPolicy,
  StepOptions,
  StepRun,
  TaskContext,
  TaskDefinition,
  TaskRegistry,
} from './definition.ts';
import { type Json, maxJsonBytes } from './json.ts';
import { canPass, defaultRetry, retryAfterMs } from './retry.ts';

export interface RunDeps {
  /** Database time, Unix milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly registry: Pick<TaskRegistry, 'newest'>;
  /** Writes under the claim. @throws CLAIM_LOST, DB_UNAVAILABLE */
  readonly journal: (entry: JournalEntry) => Promise<JournalRow>;
  /** Whether the task is to be cancelled. What is under way then is not broken off: it is taken back when it is done. */
  readonly cancelRequested: () => boolean;
  /** Aborted when this worker must let it go. */
  readonly signal: AbortSignal;
}

/** Claims in a row that got nothing done, after which a task is put aside: it may be what ends its workers. */
const maxFruitless = 6;

/** Runs a task until it ends or has to wait. @throws what stops this worker: CLAIM_LOST, DB_UNAVAILABLE */
export async function runTask(
  definition: TaskDefinition,
  task: ClaimedTask,
  deps: RunDeps,
): Promise<Release> {
  if (task.attempts > maxFruitless) {
    return dead({ reason: 'INTERNAL', message: `${maxFruitless} runs in a row ended without a trace` });
  }
  const run = new Run(task, deps);
  const ended = (async (): Promise<Release> => {
    try {
      return { to: 'done', result: checked(await definition.run(run, task.input), 'the result') };
    } catch (thrown) {
      return run.failed(thrown);
    }
  })();
  // Whatever stands still for ever does so in this promise, which nobody holds then.
  const release = await Promise.race([ended, run.parked]);
  if (release.to === 'open' || release.to === 'dead') return release;
  return run.end(release);
}

const dead = (error: TaskError): Release => ({ to: 'dead', error });

interface Undo {
  readonly name: string;
  readonly run: (run: StepRun) => Promise<void>;
}

class Run implements TaskContext {
  readonly parked: Promise<Release>;
  readonly #task: ClaimedTask;
  readonly #deps: RunDeps;
  readonly #rows = new Map<string, JournalRow>();
  readonly #names = new Set<string>();
  readonly #undos: Undo[] = [];
  #park: (release: Release) => void = () => {};
  #stop: (error: unknown) => void = () => {};
  /** Effects and journal entries under way. */
  #busy = 0;
  #waiting = false;
  #dueMs: number | undefined;
  #dead: TaskError | undefined;
  /** While undoing nothing is cancelled any more. */
  #undoing = false;

  constructor(task: ClaimedTask, deps: RunDeps) {
    this.#task = task;
    this.#deps = deps;
    for (const row of task.journal) this.#rows.set(row.name, row);
    this.parked = new Promise((resolve, reject) => {
      this.#park = resolve;
      this.#stop = reject;
    });
    // It may come after the end, when nobody asks.
    this.parked.catch(() => undefined);
  }

  get taskId(): string {
    return this.#task.id;
  }

  get submitter(): string {
    return this.#task.submitter;
  }

  async step<T extends Json>(
    name: string,
    effect: (run: StepRun) => Promise<T>,
    options: StepOptions<T> = {},
  ): Promise<T> {
    this.#claimName(name);
    const retry = { ...defaultRetry, ...options.retry };
    const row = await this.#effect(name, effect, retry, options.undo !== undefined);
    if (row.state === 'failed') throw errorOf(row.error);
    const result = (row.result ?? null) as T;
    const { undo } = options;
    if (undo !== undefined) this.#undos.push({ name, run: (run) => undo(result, run) });
    return result;
  }

  async sleep(name: string, ms: number): Promise<void> {
    const { dueMs = 0 } = await this.#wait(name, this.#deps.now() + Math.max(0, ms));
    if (dueMs > this.#deps.now()) await this.#parkUntil(dueMs);
  }

  async message<T extends Json>(
    name: string,
    { withinMs }: { readonly withinMs?: number } = {},
  ): Promise<T | undefined> {
    return this.#answer<T>(name, withinMs);
  }

  async ask(name: string, ask: Ask): Promise<Answer | undefined> {
    const answer = await this.#answer<Json>(askName(name), ask.withinMs, () =>
      newItem(ask, this.#deps.now()),
    );
    return answer as unknown as Answer | undefined;
  }

  async #answer<T extends Json>(
    name: string,
    withinMs: number | undefined,
    item?: () => NewItem,
  ): Promise<T | undefined> {
    const dueAt = withinMs === undefined ? undefined : this.#deps.now() + Math.max(0, withinMs);
    const row = await this.#wait(name, dueAt, item);
    if (row.state === 'done') return unwrapped<T>(row.result);
    const { dueMs } = row;
    if (dueMs === undefined || dueMs > this.#deps.now()) return this.#parkUntil(dueMs);
    // Settled by the database: a message that has come meanwhile counts, and one that comes now no more.
    const settled = await this.#write({ ...blank(name), state: 'done', result: { late: true } });
    return unwrapped<T>(settled.result);
  }

  async child<T extends Json>(name: string, kind: string, input: Json): Promise<T> {
    this.#claimName(name);
    let row = this.#rows.get(name);
    if (row === undefined) {
      this.#throwIfCancelled();
      const definition = this.#deps.registry.newest(kind);
      if (definition === undefined)
        throw new SallyportError('TASK_KIND_UNKNOWN', { message: `there is no task "${kind}"` });
      const child = { kind, version: definition.version, input: checked(input, `the input of ${name}`) };
      row = await this.#write({ ...blank(name), state: 'waiting', child });
    }
    if (row.state === 'failed') throw errorOf(row.error);
    if (row.state !== 'done') return this.#parkUntil(undefined);
    return (row.result ?? null) as T;
  }

  /** What the function has thrown. */
  failed(thrown: unknown): Release {
    const error = SallyportError.from(thrown);
    if (error.reason === 'CANCELLED' && this.#cancelled) return { to: 'cancelled' };
    // A fault of the function itself: the next release may mend it, and nothing is taken back for it.
    if (!(thrown instanceof SallyportError)) return dead(wordsOf(error));
    return { to: 'failed', error: wordsOf(error) };
  }

  /** Takes back what is to be taken back, the last one first. */
  async end(release: Release): Promise<Release> {
    if (release.to === 'done') return release;
    this.#undoing = true;
    // What else still waited does so no more.
    this.#waiting = false;
    this.#dueMs = undefined;
    const undoing = (async () => {
      for (const { name, run } of this.#undos.toReversed()) {
        const row = await this.#effect(
          `undo ${name}`,
          async (step) => run(step).then(() => null),
          defaultRetry,
          true,
        );
        if (row.state === 'failed')
          return dead(row.error ?? { reason: 'INTERNAL', message: `undo ${name} failed` });
      }
      return release;
    })();
    return Promise.race([undoing, this.parked]);
  }

  get #cancelled(): boolean {
    return this.#deps.cancelRequested();
  }

  #throwIfCancelled(): void {
    if (!this.#undoing && this.#cancelled) {
      throw new SallyportError('CANCELLED', { message: 'the task is cancelled' });
    }
  }

  #claimName(name: string, reserved = false): void {
    if (this.#names.has(name) || !/^[ -~]{1,84}$/.test(name) || (isReserved(name) && !reserved)) {
      // Not a SallyportError: a fault of the function.
      throw new TypeError(`"${name}" is no name for a step, or names a second one`);
    }
    this.#names.add(name);
  }

  /** What the journal says of an effect in the end. Parks while it is to be tried again later. */
  async #effect(
    name: string,
    effect: (run: StepRun) => Promise<Json>,
    retry: RetryPolicy,
    undone: boolean,
  ): Promise<JournalRow> {
    const before = this.#rows.get(name);
    if (before?.state === 'done' || before?.state === 'failed') return before;
    // What failed may have taken effect: it is known only, and can only be taken back, once it has succeeded.
    if (before === undefined || !undone) this.#throwIfCancelled();
    if (before?.dueMs !== undefined && before.dueMs > this.#deps.now())
      return this.#parkUntil(before.dueMs, !undone);
    const attempts = (before?.attempts ?? 0) + 1;
    const { signal } = this.#deps;
    const run = { taskId: this.#task.id, token: stepToken(this.#task.id, name), attempt: attempts, signal };
    return this.#during(async () => {
      let entry: JournalEntry;
      try {
        const result = checked(await effect(run), `what ${name} gives`);
        entry = { ...blank(name), state: 'done', result, attempts };
      } catch (thrown) {
        // It was broken off, which says nothing about it.
        if (signal.aborted) throw signal.reason;
        entry = this.#failure(name, attempts, retry, thrown);
      }
      const row = await this.#write(entry);
      if (row.state === 'trying' && attempts >= retry.attempts) this.#dead ??= row.error;
      return row;
    }).then((row) => (row.state === 'trying' ? this.#parkUntil(row.dueMs, !undone) : row));
  }

  #failure(name: string, attempts: number, retry: RetryPolicy, thrown: unknown): JournalEntry {
    const error = SallyportError.from(thrown);
    const told = { ...blank(name), attempts, error: wordsOf(error) };
    if (!canPass(error)) return { ...told, state: 'failed' };
    const dueMs = this.#deps.now() + retryAfterMs(retry, attempts, error, this.#deps.random);
    return { ...told, state: 'trying', dueMs: Math.ceil(dueMs) };
  }

  async #wait(name: string, dueMs: number | undefined, item?: () => NewItem): Promise<JournalRow> {
    this.#claimName(name, item !== undefined);
    const before = this.#rows.get(name);
    if (before !== undefined) return before;
    this.#throwIfCancelled();
    return this.#write({
      ...blank(name),
      state: 'waiting',
      dueMs: dueMs === undefined ? undefined : Math.ceil(dueMs),
      ...(item && { item: item() }),
    });
  }

  #write(entry: JournalEntry): Promise<JournalRow> {
    return this.#during(async () => {
      const row = await this.#deps.journal(entry);
      this.#rows.set(row.name, row);
      return row;
    });
  }

  /** What stands in the way of ending this worker's part ends it: without the journal nothing may go on. */
  async #during<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++;
    try {
      return await work();
    } catch (thrown) {
      this.#stop(thrown);
      throw thrown;
    } finally {
      this.#busy--;
      this.#look();
    }
  }

  /** Never resolves: the function is run anew when there is something to go on with. */
  async #parkUntil(dueMs: number | undefined, mayCancel = true): Promise<never> {
    if (mayCancel) this.#throwIfCancelled();
    this.#waiting = true;
    if (dueMs !== undefined) this.#dueMs = Math.min(this.#dueMs ?? dueMs, dueMs);
    this.#look();
    return new Promise(() => {});
  }

  /** When nothing is under way and something waits, so does the task; once what follows from promises has run. */
  #look(): void {
    setImmediate(() => {
      if (!this.#waiting || this.#busy > 0) return;
      this.#park(
        this.#dead === undefined
          ? { to: 'open', dueMs: this.#dueMs, wakes: this.#task.wakes }
          : dead(this.#dead),
      );
    });
  }
}

const blank = (name: string) => ({
  name,
  result: undefined,
  error: undefined,
  attempts: 0,
  dueMs: undefined,
});

const wordsOf = ({ reason, message }: SallyportError): TaskError => ({
  reason,
  message: message.slice(0, 1000),
});

function errorOf(error: TaskError | undefined): SallyportError {
  const { reason = 'INTERNAL', message = 'it failed' } = error ?? {};
  return isReason(reason)
    ? new SallyportError(reason, { message })
    : new SallyportError('INTERNAL', { message: `${reason}: ${message}` });
}

/** A message is wrapped, so that none can be told from one that is null. */
function unwrapped<T extends Json>(result: Json | undefined): T | undefined {
  return typeof result === 'object' && result !== null && 'value' in result ? (result.value as T) : undefined;
}

/** @throws INVALID_FIELD when it is not JSON, or too much of it */
function checked(value: Json | undefined, what: string): Json {
  const text = JSON.stringify(value ?? null);
  if (Buffer.byteLength(text) > maxJsonBytes) {
    throw new SallyportError('TOO_LARGE', { message: `${what} is larger than ${maxJsonBytes} bytes` });
  }
  return JSON.parse(text) as Json;
}
