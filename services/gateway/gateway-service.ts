import { concat } from '#core/channel/bytes.ts';
import { SallyportError } from '#core/errors/error.ts';
import type {
  Gateway,
  InvokeStart,
  InvokeStreamRequest,
  LdapEntry,
} from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Answer } from './connectors/connector.ts';
import type { Targets } from './targets.ts';

export interface GatewayServiceDeps {
  readonly pod: string;
  readonly targets: Pick<Targets, 'perform'>;
  /** This pod is about to stop: nothing new is begun. */
  readonly leaving: () => boolean;
}

/** Bytes of a whole answer in one message, and entries of it. */
const maxWhole = 1_048_576;
const maxWholeEntries = 1000;

/** Milliseconds for a caller to end its side, or to read an answer that came before it had said everything. */
const lingerMs = 2000;

type Entry = Extract<Answer, { case: 'entry' }>['value'];

/** One call. `caller` is the role that asks. */
export type Perform = (
  start: InvokeStart,
  body: AsyncIterable<Uint8Array>,
  call: { readonly caller: string; readonly signal: AbortSignal },
) => AsyncGenerator<Answer>;

/** Every error says that it is this gateway's: one without that word means that the gateway has died. */
export function performer(deps: GatewayServiceDeps): Perform {
  const { pod, targets } = deps;
  return async function* (start, body, { caller, signal }) {
    try {
      admit(start, caller, deps);
      for await (const answer of targets.perform({ start, body, signal })) {
        yield answer.case === 'head' ? { case: 'head', value: { ...answer.value, gateway: pod } } : answer;
      }
    } catch (thrown) {
      throw signed(thrown, pod);
    }
  };
}

/** For those who dial in. */
export function gatewayService(
  pod: string,
  performCall: Perform,
  clock: Pick<Clock, 'sleep'>,
): Handlers<typeof Gateway> {
  const perform = (start: InvokeStart, body: AsyncIterable<Uint8Array>, call: CallContext) =>
    performCall(start, body, { caller: call.caller.role, signal: call.signal });
  return {
    invoke: async ({ start, body }, call) => {
      if (start === undefined) throw new SallyportError('MALFORMED');
      const whole = new WholeAnswer();
      for await (const answer of perform(start, once(body), call)) {
        try {
          whole.add(answer);
        } catch (thrown) {
          throw signed(thrown, pod);
        }
      }
      return whole;
    },
    invokeStream: async function* (requests, call) {
      const incoming = requests[Symbol.asyncIterator]();
      const first = await incoming.next();
      if (first.done || first.value.kind.case !== 'start') {
        throw new SallyportError('MALFORMED', { message: 'a call begins with what is to be done' });
      }
      for await (const kind of perform(first.value.kind.value, bodyOf(incoming), call)) yield { kind };
      await ended(incoming, clock);
    },
  };
}

/** @throws CALLER_NOT_ALLOWED; UNAVAILABLE when another gateway is to be asked */
function admit(start: InvokeStart, role: string, { leaving }: GatewayServiceDeps): void {
  // A proxy acts for phones, to which a resource is HTTP.
  const allowed =
    role === 'security' || role === 'worker' || (role === 'proxy' && start.kind.case === 'http');
  if (!allowed) throw new SallyportError('CALLER_NOT_ALLOWED', { metadata: { maybeExecuted: 'false' } });
  if (leaving()) {
    throw new SallyportError('UNAVAILABLE', {
      message: 'this gateway stops',
      metadata: { maybeExecuted: 'false', leaving: 'true' },
    });
  }
}

function signed(thrown: unknown, gateway: string): SallyportError {
  const error = SallyportError.from(thrown);
  return new SallyportError(error.reason, {
    message: error.message,
    hint: error.hint,
    metadata: { ...error.metadata, gateway },
    cause: error.cause,
    ...(error.retryAfterMs !== undefined && { retryAfterMs: error.retryAfterMs }),
  });
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  if (body.length > 0) yield body;
}

export async function* bodyOf(incoming: AsyncIterator<InvokeStreamRequest>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const next = await incoming.next();
    if (next.done) throw new SallyportError('CANCELLED', { message: 'the caller broke off before its end' });
    const { kind } = next.value;
    if (kind.case === 'noMore') return;
    if (kind.case !== 'data') throw new SallyportError('MALFORMED', { message: 'a call begins once' });
    yield kind.value;
  }
}

/**
 * The caller's half-close comes after its last message. A server that ends a stream before it has that resets it, and
 * sidecars on the way then drop what of the answer they still hold for a caller that reads slowly.
 */
async function ended(
  incoming: AsyncIterator<InvokeStreamRequest>,
  clock: Pick<Clock, 'sleep'>,
): Promise<void> {
  const enough = new AbortController();
  const drained = async (): Promise<void> => {
    while (!enough.signal.aborted) if ((await incoming.next()).done) return;
  };
  // Whoever breaks off wants nothing more.
  const over = drained().catch(() => undefined);
  await Promise.race([over, clock.sleep(lingerMs, enough.signal).catch(() => undefined)]);
  enough.abort();
}

/** An answer that has to fit into one message. */
class WholeAnswer {
  head: Extract<Answer, { case: 'head' }>['value'] = {};
  end: Extract<Answer, { case: 'end' }>['value'] = {};
  readonly entries: (Entry | LdapEntry)[] = [];
  readonly #data: { readonly [K in 'data' | 'errorData']: Uint8Array[] } = { data: [], errorData: [] };
  #bytes = 0;

  get body(): Uint8Array {
    return concat(...this.#data.data);
  }

  get errorBody(): Uint8Array {
    return concat(...this.#data.errorData);
  }

  /** @throws TOO_LARGE; the target has acted */
  add(answer: Answer): void {
    switch (answer.case) {
      case 'head':
        this.head = answer.value;
        break;
      case 'end':
        this.end = answer.value;
        break;
      case 'entry':
        this.entries.push(answer.value);
        break;
      default:
        this.#bytes += answer.value.length;
        this.#data[answer.case].push(answer.value);
    }
    if (this.#bytes <= maxWhole && this.entries.length <= maxWholeEntries) return;
    throw new SallyportError('TOO_LARGE', {
      message: `the answer is longer than ${maxWhole} bytes or ${maxWholeEntries} entries`,
      hint: 'call InvokeStream',
      metadata: { maybeExecuted: 'true' },
    });
  }
}
