import type { ClientHttp2Session, ClientHttp2Stream, SecureClientSessionOptions } from 'node:http2';
import { Code, ConnectError } from '@connectrpc/connect';
import { Http2SessionManager } from '@connectrpc/connect-node';

export interface KeepaliveOptions {
  /** Milliseconds without a byte, while calls are open, before the edge is pinged. */
  readonly intervalMs: number;
  /** Milliseconds that it has to answer; then the connection and its calls are given up. */
  readonly timeoutMs: number;
}

/**
 * Connections to an edge, kept by connect-node but for three things.
 * - Its error guard: what a connection was destroyed with is raised when its socket has closed, and by then the
 *   manager may have replaced it and listens no more, which ends the process (connectrpc/connect-es#1768).
 * - Its pings: a timer of an earlier connection throws (#1795).
 * - Its judgement: a device that was itself suspended or starved finds the timer due before the answer that has
 *   arrived meanwhile. Time in which this process did not run does not count here; else all devices of a busy
 *   machine leave good connections at once, and are the busier for it.
 */
export class EdgeSessions extends Http2SessionManager {
  readonly #options: KeepaliveOptions;
  readonly #kept = new WeakMap<ClientHttp2Session, Keepalive>();
  #latest: Keepalive | undefined;

  constructor(url: string, options: KeepaliveOptions, http2: SecureClientSessionOptions) {
    super(url, {}, http2);
    this.#options = options;
  }

  override async request(...args: Parameters<Http2SessionManager['request']>): Promise<ClientHttp2Stream> {
    // One that nobody has used for a while may have died unseen, perhaps with its edge: another one is to be asked first.
    await this.#latest?.prove();
    const stream = await super.request(...args);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session !== undefined) this.#keep(session).carries(stream);
    return stream;
  }

  override notifyResponseByteRead(stream: ClientHttp2Stream): void {
    super.notifyResponseByteRead(stream);
    const session = stream.session as ClientHttp2Session | undefined;
    if (session !== undefined) this.#kept.get(session)?.heard();
  }

  #keep(session: ClientHttp2Session): Keepalive {
    const known = this.#kept.get(session);
    if (known !== undefined) return known;
    session.on('error', () => undefined);
    const keepalive = new Keepalive(session, this.#options);
    this.#kept.set(session, keepalive);
    this.#latest = keepalive;
    return keepalive;
  }
}

/** Of the time for an answer. */
const slices = 10;
/** As often as long, a process that is starved all the time waits for an answer before it believes the silence. */
const mostTimes = 4;

/** Finds out whether the other end of one connection is there, while somebody wants to know. */
class Keepalive {
  readonly #session: ClientHttp2Session;
  readonly #options: KeepaliveOptions;
  #open = 0;
  /** `performance.now()` of the last byte. */
  #heard = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #proving: Promise<void> | undefined;
  /** Ends the ping under way; there is one at most. */
  #settle: ((answered: true) => void) | undefined;

  constructor(session: ClientHttp2Session, options: KeepaliveOptions) {
    this.#session = session;
    this.#options = options;
    session.once('close', () => {
      clearTimeout(this.#timer);
      // A ping is given up without a word when the connection closes in order.
      this.#settle?.(true);
    });
  }

  heard(): void {
    this.#heard = performance.now();
  }

  carries(stream: ClientHttp2Stream): void {
    this.#open += 1;
    stream.once('response', () => this.heard());
    stream.once('close', () => {
      this.#open -= 1;
    });
    if (this.#open === 1) this.#watch();
  }

  /**
   * Resolves when there was a byte lately, an answer to a ping, or no connection any more.
   * @throws ConnectError Unavailable when it is found out only now that there is none
   */
  async prove(): Promise<void> {
    if (performance.now() - this.#heard <= this.#options.intervalMs || this.#session.destroyed) return;
    this.#proving ??= this.#ping().finally(() => {
      this.#proving = undefined;
    });
    await this.#proving;
  }

  #watch(): void {
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.#heard + this.#options.intervalMs - performance.now());
    this.#timer = setTimeout(() => {
      if (this.#open === 0 || this.#session.destroyed) return;
      this.prove().then(
        () => this.#watch(),
        () => undefined,
      );
    }, wait + 1).unref();
  }

  async #ping(): Promise<void> {
    const { timeoutMs } = this.#options;
    const answered = new Promise<true>((resolve) => {
      this.#settle = resolve;
      this.#session.ping((error) => {
        if (error === null) this.heard();
        resolve(true);
      });
    });
    const latest = performance.now() + mostTimes * timeoutMs;
    // Slice by slice: one in which this process stood still counts as no more than the others.
    for (let slice = 0; slice < slices && performance.now() < latest; slice++) {
      if (await Promise.race([answered, after(timeoutMs / slices)])) return;
    }
    // What has arrived while this process stood still is read after the timers have run.
    if (await Promise.race([answered, new Promise<false>((resolve) => setImmediate(resolve, false))])) return;
    const silent = new ConnectError('PING timed out', Code.Unavailable);
    this.#session.destroy(silent);
    throw silent;
  }
}

const after = (ms: number): Promise<false> =>
  new Promise((resolve) => setTimeout(resolve, ms, false).unref());
