import type { RequestHead, ResponseHead } from '../core/channel/multiplex/messages.ts';
import type { SallyportError } from '../core/errors/error.ts';
import type { BodySource } from './body-source.ts';
import type { Edge } from './edges.ts';

/** What became of sending a request once. */
export type Outcome =
  /** There is an answer. Its body rejects with a SallyportError when it is cut. */
  | {
      readonly at: 'answered';
      readonly head: ResponseHead;
      readonly body: AsyncIterable<Uint8Array>;
      /** Aborted when the link is to be left; of a link that can last. The body may then end where it is, or move. */
      readonly leaving?: AbortSignal;
    }
  /** Certainly not executed: never sent, or refused behind the seal by a proxy that says so. */
  | { readonly at: 'refused'; readonly error: SallyportError }
  /** Behind the seal: the backend may have acted, and there is no whole answer. */
  | { readonly at: 'failed'; readonly error: SallyportError }
  /** The connection broke, or an error came in clear, which anybody on the way could have written. */
  | { readonly at: 'lost'; readonly error: SallyportError };

export interface Sendable {
  readonly head: RequestHead;
  readonly body: BodySource;
  /** Doing it twice does no more than doing it once. */
  readonly idempotent: boolean;
  /** Of the span that it belongs to. */
  readonly traceparent?: string;
}

/** One attachment and the way requests travel under it: a stream of many, or one call each. */
export interface Link {
  /** The pod that this device is attached to. */
  readonly proxy: string;
  /** Number of the attachment: 16 bytes, never given twice. */
  readonly epoch: Uint8Array;
  readonly edge: Edge;
  readonly carrier: 'stream' | 'exchange';
  /** Why it cannot be used any more; undefined while it can. */
  readonly lost: SallyportError | undefined;
  /** `Platform.monotonic` of the last word from the proxy that nobody else could have said. */
  readonly provenAt: number;
  /** `Platform.monotonic` of the last request that was to go over it. */
  readonly usedAt: number;
  /** Has the proxy say something now. Rejects when it does not; then the link is to be left. */
  prove(signal: AbortSignal): Promise<void>;
  /**
   * It gives no sign of life: nothing new goes over it, and what may be repeated is lost. What may not is still
   * waited for, for some seconds: a mesh that is merely slow answers it yet, and nobody else can.
   */
  suspect(error: SallyportError): void;
  /** Nothing new goes over it; it ends after the last answer. */
  leave(error: SallyportError): void;
  /** Sends a request once. Resolves when the head of an answer is there, or none will be. */
  send(request: Sendable, signal: AbortSignal): Promise<Outcome>;
  /** Ends it and whatever goes on over it; wipes its keys. */
  close(error: SallyportError): void;
}

/** Who keeps a link is told what becomes of it. */
export interface LinkOwner {
  /** Once; it cannot be used any more. */
  lost(link: Link, error: SallyportError): void;
  /** The proxy asks for requests to go elsewhere as soon as they can. Said behind the seal. */
  draining(link: Link, reason: SallyportError): void;
  /** It gives no sign of life: new requests go elsewhere at once. */
  suspected(link: Link, reason: SallyportError): void;
  /** It was not the tier that ended it: the next call had better go through another edge. */
  edgeFailed(edge: Edge, error: SallyportError): void;
}
