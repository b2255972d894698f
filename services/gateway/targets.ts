import { SallyportError } from '#core/errors/error.ts';
import type { InvokeStart } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { Clock } from '#kernel/time/clock.ts';
import type { Answer, Connector } from './connectors/connector.ts';
import { openConnector } from './connectors/open-connector.ts';
import type { GatewayTarget } from './target-schema.ts';

export interface Performed {
  readonly start: InvokeStart;
  readonly body: AsyncIterable<Uint8Array>;
  /** The caller's. */
  readonly signal: AbortSignal;
}

interface Target {
  readonly config: GatewayTarget;
  readonly connector: Connector;
  active: number;
}

/** The targets of one gateway, each kept within its limits. */
export class Targets {
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #clock: Clock;

  constructor(pod: string, targets: readonly GatewayTarget[], clock: Clock) {
    this.#clock = clock;
    this.#targets = new Map(
      targets.map((config) => [config.name, { config, connector: openConnector(config, pod), active: 0 }]),
    );
  }

  /** Calls under way. */
  get active(): number {
    return [...this.#targets.values()].reduce((sum, { active }) => sum + active, 0);
  }

  /** One call. What goes wrong says in its metadata, as `maybeExecuted`, whether the target may have acted. */
  async *perform({ start, body, signal }: Performed): AsyncGenerator<Answer> {
    const target = this.#find(start);
    const { config, connector } = target;
    const { limits, name } = config;
    const going = new Going(this.#clock, name, {
      idleMs: limits.idle,
      timeoutMs: Math.min(
        limits.timeout ?? Number.POSITIVE_INFINITY,
        start.timeoutMs || Number.POSITIVE_INFINITY,
      ),
    });
    const gone = (): void => going.stop(signal.reason);
    signal.addEventListener('abort', gone, { once: true });
    if (signal.aborted) gone();
    target.active += 1;
    try {
      const answers = connector.call({
        start: start.kind,
        body: going.limited(body, limits.maxRequest, 'the request'),
        signal: going.signal,
        acting: () => going.act(),
      });
      let left = limits.maxAnswer ?? Number.POSITIVE_INFINITY;
      for await (const answer of answers) {
        left -= sizeOf(answer);
        if (left < 0) throw tooLarge('the answer', limits.maxAnswer ?? 0);
        going.moved();
        yield answer;
        going.moved();
      }
    } catch (thrown) {
      throw going.explained(going.signal.aborted ? going.signal.reason : thrown);
    } finally {
      signal.removeEventListener('abort', gone);
      going.over();
      target.active -= 1;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#targets.values()].map(({ connector }) => connector.close()));
  }

  /** @throws NOT_FOUND, REQUEST_INVALID, OVERLOADED; nothing was done */
  #find(start: InvokeStart): Target {
    const target = this.#targets.get(start.target);
    if (target === undefined) {
      throw notDone('NOT_FOUND', `no target of this group is named "${start.target}"`);
    }
    const { name, kind, limits } = target.config;
    if (start.kind.case !== kind) {
      throw notDone('REQUEST_INVALID', `${name} is of kind ${kind}, not ${start.kind.case ?? 'nothing'}`);
    }
    if (target.active >= limits.calls) {
      throw notDone('OVERLOADED', `as many calls to "${name}" are under way here as may be`);
    }
    return target;
  }
}

/** The limits of one call in time and size, and whether it has acted yet. */
class Going {
  readonly #abort = new AbortController();
  readonly #clock: Clock;
  readonly #timer: ReturnType<Clock['setRepeating']>;
  readonly #begun: number;
  #moved: number;
  #acted = false;

  constructor(clock: Clock, name: string, { idleMs, timeoutMs }: { idleMs: number; timeoutMs: number }) {
    this.#clock = clock;
    this.#begun = clock.monotonic();
    this.#moved = this.#begun;
    this.#timer = clock.setRepeating(Math.max(10, Math.min(idleMs, timeoutMs) / 4), () => {
      const now = clock.monotonic();
      if (now - this.#moved >= idleMs)
        this.stop(late(`nothing has come from or for "${name}" for ${idleMs} ms`));
      if (now - this.#begun >= timeoutMs) this.stop(late(`the call to "${name}" has taken ${timeoutMs} ms`));
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  stop(reason: unknown): void {
    if (!this.signal.aborted) this.#abort.abort(reason);
  }

  act(): void {
    this.#acted = true;
  }

  moved(): void {
    this.#moved = this.#clock.monotonic();
  }

  over(): void {
    this.#timer.cancel();
  }

  async *limited(body: AsyncIterable<Uint8Array>, most: number, what: string): AsyncGenerator<Uint8Array> {
    let left = most;
    for await (const piece of body) {
      left -= piece.length;
      if (left < 0) throw tooLarge(what, most);
      this.moved();
      yield piece;
    }
  }

  explained(thrown: unknown): SallyportError {
    const error = SallyportError.from(thrown);
    return new SallyportError(error.reason, {
      message: error.message,
      hint: error.hint,
      metadata: { maybeExecuted: String(this.#acted), ...error.metadata },
      cause: error.cause,
      ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
    });
  }
}

function sizeOf(answer: Answer): number {
  if (answer.case === 'data' || answer.case === 'errorData') return answer.value.length;
  if (answer.case !== 'entry') return 0;
  return (answer.value.attributes ?? []).reduce(
    (sum, { values = [] }) => sum + values.reduce((length, each) => length + each.length, 0),
    0,
  );
}

const late = (message: string): SallyportError => new SallyportError('DEADLINE', { message });
const tooLarge = (what: string, most: number): SallyportError =>
  new SallyportError('TOO_LARGE', {
    message: `${what} is longer than the ${most} bytes that this target may have`,
  });
const notDone = (reason: 'NOT_FOUND' | 'REQUEST_INVALID' | 'OVERLOADED', message: string): SallyportError =>
  new SallyportError(reason, { message, metadata: { maybeExecuted: 'false' } });
