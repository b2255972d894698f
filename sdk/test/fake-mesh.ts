import {
  type ConnectRouter,
  createRouterTransport,
  type Interceptor,
  type StreamResponse,
} from '@connectrpc/connect';
import { KeyStore } from '../../gen/sallyport/keystore/v1/key_store_pb.js';
import { Relay } from '../../gen/sallyport/relay/v1/relay_pb.js';
import { SessionService } from '../../gen/sallyport/session/v1/session_pb.js';
import type { ConnectEdge } from '../edges.ts';
import { type Backend, FakeProxy } from './fake-proxy.ts';
import { FakeTier } from './fake-tier.ts';
import { connectionLost, wireError } from './wire-error.ts';

/** Server side: errors as the tier sends them. */
const asOnTheWire: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: translated(response.message) } : response;
  } catch (thrown) {
    throw wireError(thrown);
  }
};

async function* translated<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (thrown) {
    throw wireError(thrown);
  }
}

class FakeEdge {
  /** Refuses and breaks everything while it is down. */
  down = false;
  /** Takes calls and answers none, as one that reaches no pod. */
  silent = false;
  calls = 0;
  breakage = new AbortController();

  kill(): void {
    this.down = true;
    this.breakage.abort();
    this.breakage = new AbortController();
  }
}

/** Edges, proxies and a security tier in memory, any of which can fail in ways that real ones do. */
export class FakeMesh {
  readonly tier: FakeTier;
  readonly proxies: readonly FakeProxy[];
  readonly edges = new Map([
    ['https://edge-0', new FakeEdge()],
    ['https://edge-1', new FakeEdge()],
  ]);
  /** Which proxy the edges route to. */
  routed = 0;
  /** Answers of these methods get lost on their way back, so many times. */
  readonly loseAnswers = new Map<string, number>();
  /** Answers in clear that an edge gives in place of a method's own, after it was carried out. */
  readonly replaceAnswers = new Map<string, unknown>();

  constructor(tier: FakeTier, backend: Backend) {
    this.tier = tier;
    this.proxies = ['proxy-0', 'proxy-1'].map((name) => new FakeProxy(name, tier, backend));
  }

  static async start(backend: Backend): Promise<FakeMesh> {
    return new FakeMesh(await FakeTier.start(), backend);
  }

  get urls(): string[] {
    return [...this.edges.keys()];
  }

  get proxy(): FakeProxy {
    const proxy = this.proxies[this.routed];
    if (!proxy) throw new RangeError('no such proxy');
    return proxy;
  }

  edge(url: string): FakeEdge {
    const edge = this.edges.get(url);
    if (!edge) throw new RangeError(`no edge at ${url}`);
    return edge;
  }

  /** The routed proxy dies; the edges route to the other one. */
  failOver(): void {
    const before = this.proxy;
    this.routed = 1 - this.routed;
    before.restart();
  }

  /** The routed proxy asks to be left; the edges route to the other one, which takes devices again. */
  handOn(): void {
    const before = this.proxy;
    this.routed = 1 - this.routed;
    this.proxy.draining = false;
    before.drain();
  }

  /** What an edge serves; also over a real port. */
  routes(router: ConnectRouter): void {
    router.service(KeyStore, this.tier.keyStore);
    router.service(SessionService, this.tier.sessionService);
    router.service(Relay, {
      attach: (request, context) => this.proxy.relay.attach(request, context),
      exchange: (request, context) => this.proxy.relay.exchange(request, context),
      stream: (requests, context) => this.proxy.relay.stream(requests, context),
    });
  }

  /** For whoever serves the routes: errors as the tier sends them. */
  readonly onTheWire = { interceptors: [asOnTheWire] };

  connect(streams: boolean): ConnectEdge {
    return (url) => ({
      streams,
      transport: createRouterTransport((router) => this.routes(router), {
        transport: { interceptors: [this.#onTheWay(this.edge(url))] },
        router: this.onTheWire,
      }),
    });
  }

  #onTheWay(edge: FakeEdge): Interceptor {
    return (next) => async (request) => {
      edge.calls++;
      if (edge.down) throw connectionLost();
      if (edge.silent) return orBroken(new Promise(() => {}), request.signal);
      const { death } = this.proxy;
      const broken = AbortSignal.any([edge.breakage.signal, death]);
      const response = await orBroken(next(request), broken);
      const method = request.method.localName;
      const toLose = this.loseAnswers.get(method) ?? 0;
      if (toLose > 0) {
        this.loseAnswers.set(method, toLose - 1);
        throw connectionLost();
      }
      if (this.replaceAnswers.has(method)) {
        const answer = this.replaceAnswers.get(method);
        this.replaceAnswers.delete(method);
        throw wireError(answer);
      }
      return response.stream ? breakable(response, broken) : response;
    };
  }
}

function breakable(response: StreamResponse, broken: AbortSignal): StreamResponse {
  const messages = response.message[Symbol.asyncIterator]();
  const until = async function* () {
    for (;;) {
      const next = await orBroken(messages.next(), broken);
      if (next.done) return;
      yield next.value;
    }
  };
  return { ...response, message: until() };
}

function orBroken<T>(promise: Promise<T>, broken: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(connectionLost());
    if (broken.aborted) fail();
    else broken.addEventListener('abort', fail, { once: true });
    promise.then(resolve, reject).finally(() => broken.removeEventListener('abort', fail));
  });
}
