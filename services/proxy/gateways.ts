import { SallyportError } from '#core/errors/error.ts';
import { Gateway } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { lostGateway } from '#kernel/gateway/lost-gateway.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { AnswerSink, BackendRequest } from './backends.ts';
import type { GatewayCall, GatewayLinks } from './gateway-links.ts';

/** Milliseconds for which a gateway that was found dead is left alone, while there is another. */
const failedMs = 5000;
/** Bytes in one message. */
const pieceBytes = 65_536;

export interface GatewaysOptions {
  /** The sidecar's egress. */
  readonly socketPath: string;
  /** Requests under way through one gateway; more are refused. */
  readonly connections: number;
  readonly clock: Clock;
  /** Of gateways that dial out. */
  readonly links: Pick<GatewayLinks, 'dials' | 'call'>;
  readonly observer?: RpcObserver;
}

/**
 * HTTP to targets that only gateways reach, each request on a stream of its own through the sidecar. A gateway that
 * has died under a request is told in the error's metadata, as `lostGateway`.
 */
export class Gateways {
  readonly #client: GrpcClient<typeof Gateway>;
  readonly #connections: number;
  readonly #clock: Clock;
  readonly #links: GatewaysOptions['links'];
  readonly #active = new Map<string, number>();
  /** By name: monotonic milliseconds when it was found dead. */
  readonly #failed = new Map<string, number>();
  #drained: readonly string[] = [];

  constructor({ socketPath, connections, clock, links, observer }: GatewaysOptions) {
    this.#client = createGrpcClient(Gateway, {
      address: `unix:${socketPath}`,
      defaultDeadlineMs: 60_000,
      ...(observer && { observer }),
    });
    this.#connections = connections;
    this.#clock = clock;
    this.#links = links;
  }

  /** Requests under way, bodies of answers included. */
  get active(): number {
    return [...this.#active.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Gateways that are to have no new calls: as good as dead. */
  setDrained(names: readonly string[]): void {
    this.#drained = names;
  }

  /** Gateways that sessions are to leave: drained, or found dead a short while ago, the latest last. */
  get failed(): readonly string[] {
    for (const [name, at] of this.#failed) {
      if (this.#clock.monotonic() - at >= failedMs) this.#failed.delete(name);
    }
    return this.#drained.length === 0
      ? [...this.#failed.keys()]
      : [...new Set([...this.#drained, ...this.#failed.keys()])];
  }

  /**
   * As `Backends.request`: the request's backend is the name of a target.
   * @throws what that one throws, and what the gateway says
   */
  async request(request: BackendRequest, gateway: string, sink: AnswerSink): Promise<void> {
    request.scope.assertGoing();
    const before = this.#active.get(gateway) ?? 0;
    if (before >= this.#connections) {
      throw new SallyportError('OVERLOADED', {
        message: `as many requests through ${gateway} are under way here as may be`,
        retryAfterMs: 500,
        metadata: { maybeExecuted: 'false' },
      });
    }
    this.#active.set(gateway, before + 1);
    try {
      await this.#ask(request, gateway, sink);
      this.#failed.delete(gateway);
    } finally {
      const now = (this.#active.get(gateway) ?? 1) - 1;
      if (now > 0) this.#active.set(gateway, now);
      else this.#active.delete(gateway);
    }
  }

  close(): void {
    this.#client.close();
  }

  async #ask(request: BackendRequest, gateway: string, sink: AnswerSink): Promise<void> {
    const { scope } = request;
    const call = await this.#open(gateway, request.backend);
    if (scope.givenUp) {
      call.cancel();
      throw scope.reason;
    }
    const forget = scope.onGivenUp(() => call.cancel());
    /** What has gone wrong on this side. */
    let own: { readonly thrown: unknown } | undefined;
    send(call, request).catch((thrown: unknown) => {
      if (thrown instanceof Unsent) return;
      own ??= { thrown };
      call.cancel();
    });
    const passing = async (work: () => Promise<void> | undefined | void): Promise<void> => {
      try {
        await work();
      } catch (thrown) {
        own ??= { thrown };
        throw thrown;
      }
    };
    try {
      for await (const { kind } of call.responses) {
        if (kind.case === 'head') {
          const { status, headers } = kind.value;
          await passing(() => sink.head(status, fieldsOf(headers)));
        } else if (kind.case === 'data') await passing(() => sink.data(kind.value));
        else if (kind.case === 'end') return;
      }
      throw new SallyportError('UNAVAILABLE', { message: 'the answer has no end' });
    } catch (thrown) {
      if (scope.givenUp) throw scope.reason;
      if (own !== undefined) throw own.thrown;
      throw this.#explained(SallyportError.from(thrown), gateway, request.backend);
    } finally {
      forget();
      call.cancel();
    }
  }

  async #open(gateway: string, backend: string): Promise<GatewayCall> {
    if (!this.#links.dials(gateway)) return this.#client.invokeStream({ headers: { [podHeader]: gateway } });
    try {
      return await this.#links.call(gateway);
    } catch (thrown) {
      throw this.#explained(SallyportError.from(thrown), gateway, backend);
    }
  }

  #explained(error: SallyportError, gateway: string, backend: string): SallyportError {
    const lost = lostGateway(error);
    if (lost === undefined) return error;
    this.#failed.delete(gateway);
    this.#failed.set(gateway, this.#clock.monotonic());
    return new SallyportError(lost.maybeExecuted ? 'BACKEND_FAILED' : 'BACKEND_UNAVAILABLE', {
      message: `${gateway}, through which "${backend}" is reached, ${lost.maybeExecuted ? 'was lost' : 'is away'}`,
      retryAfterMs: 500,
      metadata: { maybeExecuted: String(lost.maybeExecuted), lostGateway: gateway },
      cause: error,
    });
  }
}

/** The call has ended; whoever reads its answer learns why. */
class Unsent extends Error {}

async function send(
  call: GatewayCall,
  { backend, method, path, authority, headers, body }: BackendRequest,
): Promise<void> {
  const say = async (kind: Parameters<GatewayCall['send']>[0]['kind'] & object): Promise<void> => {
    try {
      await call.send({ kind });
    } catch (cause) {
      throw new Unsent('the call has ended', { cause });
    }
  };
  const fields = Object.entries(headers).flatMap(([name, values]) =>
    [values].flat().map((value) => ({ name, value })),
  );
  const value = {
    target: backend,
    kind: { case: 'http' as const, value: { method, path, authority, headers: fields } },
  };
  await say({ case: 'start', value });
  for await (const piece of body === undefined || body instanceof Uint8Array
    ? [body ?? new Uint8Array()]
    : body) {
    for (let at = 0; at < piece.length; at += pieceBytes) {
      await say({ case: 'data', value: piece.subarray(at, at + pieceBytes) });
    }
  }
  await say({ case: 'noMore', value: {} });
  call.end();
}

function fieldsOf(headers: readonly { name: string; value: string }[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = Object.create(null);
  for (const { name, value } of headers) {
    const before = fields[name];
    fields[name] = before === undefined ? value : [before, value].flat();
  }
  return fields;
}
