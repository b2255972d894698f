import { bytesToHex } from '@noble/hashes/utils.js';
import { SallyportError } from '../core/errors/error.ts';
import { attach, type SessionSecrets } from './attach.ts';
import { callEdges } from './call-edges.ts';
import { orAborted } from './deadline.ts';
import type { Edges } from './edges.ts';
import type { SdkListener } from './events.ts';
import { ExchangeLink } from './exchange-link.ts';
import { endsSession } from './failure.ts';
import type { Link, LinkOwner } from './link.ts';
import type { Platform } from './platform.ts';
import { StreamLink } from './stream-link.ts';

/** A search for a link. */
interface Attaching {
  readonly at: 'attaching';
  readonly link: Promise<Link>;
  readonly abandon: AbortController;
  waiting: number;
}

/** Where a session is between its proxies. */
export type AttachState =
  /** No proxy holds it; the next request attaches. So it begins, and so it is after every loss. */
  | { readonly at: 'detached' }
  /** One search goes on for all requests that wait. It ends when none of them waits any more. */
  | Attaching
  /**
   * Requests go over this link, and over the next as soon as there is one where this is to be left. It `mayStay` when
   * all that is wrong with it is that its proxy cannot answer now.
   */
  | { readonly at: 'attached'; readonly link: Link; readonly next?: Attaching; readonly mayStay?: boolean }
  /** Closed, revoked or expired. Nothing leads out of this. */
  | { readonly at: 'ended'; readonly error: SallyportError };

export interface AttacherDeps {
  readonly session: SessionSecrets;
  /** Through which the proxies are reached. */
  readonly edges: Edges;
  readonly platform: Platform;
  readonly listener: SdkListener | undefined;
  /** Called once, when the session has ended. */
  readonly onEnd?: () => void;
}

/** Milliseconds after which a device attaches through another edge as well. */
const alsoAfterMs = 1500;
/** Milliseconds since its last request within which a device that is to leave a link seeks the next one at once. */
const inUseMs = 30_000;
/** Milliseconds for which it does; longer than the link that is to be left takes requests. */
const seekMs = 10_000;

/** Keeps a session attached to some proxy, whenever somebody needs it to be. */
export class Attacher {
  readonly #deps: AttacherDeps;
  /** The one in use, and those that a drain has replaced and that finish what they hold. */
  readonly #links = new Set<Link>();
  #state: AttachState = { at: 'detached' };
  /** What the search that goes on has met last. */
  #trouble: SallyportError | undefined;

  constructor(deps: AttacherDeps) {
    this.#deps = deps;
  }

  get state(): AttachState['at'] {
    return this.#state.at;
  }

  /** @throws the error that ended the session */
  assertLive(): void {
    if (this.#state.at === 'ended') throw this.#state.error;
  }

  /**
   * The link to send over. Rejects with the error that ended the session, that stands in the way, or CANCELLED.
   * Attaching belongs to the trace of whoever comes first.
   */
  async link(signal: AbortSignal, traceparent?: string): Promise<Link> {
    if (signal.aborted) throw signal.reason;
    if (this.#state.at === 'ended') throw this.#state.error;
    if (this.#state.at === 'attached') return this.#state.link;
    const attaching = this.#state.at === 'attaching' ? this.#state : this.#attach(traceparent);
    this.#state = attaching;
    attaching.waiting++;
    try {
      return await orAborted(attaching.link, signal);
    } catch (thrown) {
      // Why there is no proxy says more than that the time is over.
      const late = SallyportError.from(thrown).reason === 'DEADLINE';
      throw late && this.#trouble ? this.#trouble : thrown;
    } finally {
      attaching.waiting--;
      if (attaching.waiting === 0 && this.#state === attaching) {
        attaching.abandon.abort(new SallyportError('CANCELLED', { message: 'nobody waits any more' }));
        this.#state = { at: 'detached' };
      }
    }
  }

  /** New requests go elsewhere; what goes on over the link may finish. */
  retire(link: Link, error: SallyportError): void {
    if (error.reason === 'EDGE_LEAVING') this.#deps.edges.failed(link.edge, error);
    this.#leave(link, error);
    link.leave(error);
  }

  /**
   * The proxy cannot answer for the session now, and others perhaps can: another is sought through another edge, and
   * requests go on over this one, as all of them may be in the same state. Attaching costs everybody more than asking.
   */
  seekBeside(link: Link, error: SallyportError): void {
    if (this.#state.at !== 'attached' || this.#state.link !== link || this.#state.next) return;
    this.#deps.edges.failed(link.edge, error);
    this.#move(link, error, true);
  }

  /** The proxy answers again: another is not sought any more. */
  stay(link: Link): void {
    const before = this.#state;
    if (before.at !== 'attached' || before.link !== link || !before.next || !before.mayStay) return;
    this.#state = { at: 'attached', link };
    before.next.abandon.abort(new SallyportError('CANCELLED', { message: 'the proxy answers again' }));
  }

  /** Seeks another link, while requests go over this one until it is found. One that nobody uses is just left. */
  #move(link: Link, error: SallyportError, mayStay = false): void {
    const { edges, platform } = this.#deps;
    const used = platform.monotonic() - link.usedAt <= inUseMs;
    if (this.#state.at !== 'attached' || this.#state.link !== link || !used) {
      this.retire(link, error);
      return;
    }
    if (error.reason === 'EDGE_LEAVING') edges.failed(link.edge, error);
    if (this.#state.next) {
      this.#state = { at: 'attached', link, next: this.#state.next };
      return;
    }
    const next = this.#attach(undefined);
    this.#state = { at: 'attached', link, next, mayStay };
    const over = new AbortController();
    next.link
      .then(
        () => link.leave(error),
        () => undefined,
      )
      .finally(() => over.abort());
    platform.sleep(seekMs, over.signal).then(
      () => {
        // Whoever waits for it meanwhile ends it himself.
        if (next.waiting > 0 || !isSought(this.#state, next)) return;
        this.#state = this.#state.at === 'attached' ? { at: 'attached', link } : { at: 'detached' };
        next.abandon.abort(new SallyportError('CANCELLED', { message: 'there is no other proxy' }));
      },
      () => undefined,
    );
  }

  /** New requests go through another edge, to whatever proxies it knows to be there. */
  avoid(link: Link, error: SallyportError): void {
    // Of many requests that find it out together the first one counts.
    if (this.#state.at === 'attached' && this.#state.link === link) this.#deps.edges.failed(link.edge, error);
    this.#leave(link, error);
  }

  #leave(link: Link, error: SallyportError): void {
    if (this.#state.at !== 'attached' || this.#state.link !== link) return;
    this.#state = this.#state.next ?? { at: 'detached' };
    this.#deps.listener?.({ type: 'detached', proxy: link.proxy, reason: error.reason });
  }

  /** The session is over: whatever goes on ends with the error. */
  end(error: SallyportError): void {
    const before = this.#state;
    if (before.at === 'ended') return;
    this.#state = { at: 'ended', error };
    if (before.at === 'attaching') before.abandon.abort(error);
    if (before.at === 'attached') before.next?.abandon.abort(error);
    for (const link of [...this.#links]) link.close(error);
    this.#deps.onEnd?.();
    this.#deps.listener?.({ type: 'ended', reason: error.reason });
  }

  #attach(traceparent: string | undefined): Attaching {
    const abandon = new AbortController();
    this.#deps.listener?.({ type: 'attaching' });
    const link = this.#search(abandon.signal, traceparent);
    const attaching = { at: 'attaching' as const, link, abandon, waiting: 0 };
    link.then(
      (found) => {
        if (!isSought(this.#state, attaching)) {
          found.close(new SallyportError('CANCELLED', { message: 'nobody waits any more' }));
          return;
        }
        this.#state = { at: 'attached', link: found };
        const { proxy, edge, carrier } = found;
        const epoch = bytesToHex(found.epoch);
        this.#deps.listener?.({ type: 'attached', proxy, epoch, edge: edge.url, carrier });
      },
      (thrown: unknown) => {
        const error = SallyportError.from(thrown);
        if (endsSession(error)) this.end(error);
        else if (this.#state === attaching) this.#state = { at: 'detached' };
        else if (this.#state.at === 'attached' && isSought(this.#state, attaching))
          this.#state = { at: 'attached', link: this.#state.link };
      },
    );
    return attaching;
  }

  async #search(signal: AbortSignal, traceparent: string | undefined): Promise<Link> {
    const { edges, platform, session } = this.#deps;
    this.#trouble = undefined;
    const attached = await callEdges(
      edges,
      platform,
      signal,
      (edge, within) => attach(platform, session, edge, within, traceparent),
      {
        onFailure: (error) => {
          this.#trouble = error;
        },
        alsoAfterMs,
      },
    );
    const owner: LinkOwner = {
      lost: (lost, error) => this.#lost(lost, error),
      draining: (link, reason) => this.#move(link, reason),
      suspected: (link, reason) => this.retire(link, reason),
      edgeFailed: (edge, error) => edges.failed(edge, error),
    };
    const link = attached.edge.streams
      ? new StreamLink(attached, platform, owner, traceparent)
      : new ExchangeLink(attached, platform, owner);
    this.#links.add(link);
    return link;
  }

  #lost(link: Link, error: SallyportError): void {
    this.#links.delete(link);
    if (endsSession(error)) this.end(error);
    this.retire(link, error);
  }
}

const isSought = (state: AttachState, search: Attaching): boolean =>
  state === search || (state.at === 'attached' && state.next === search);
