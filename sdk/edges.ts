import type { Transport } from '@connectrpc/connect';
import { SallyportError } from '../core/errors/error.ts';
import type { SdkListener } from './events.ts';

/** How one edge is reached; `sdk/node.ts` and `sdk/browser.ts` make them. */
export interface EdgeConnection {
  readonly transport: Transport;
  /** Whether bidirectional streams work over it; where they do not (browsers), requests go one by one. */
  readonly streams: boolean;
  /** Gives its connections up. */
  close?(): void;
}

/** Makes the connection to an edge from its base URL. Called once per URL; may connect lazily. */
export type ConnectEdge = (url: string) => EdgeConnection;

export interface Edge extends EdgeConnection {
  readonly url: string;
}

/** The edges of one mesh, one of which is current. Which one comes first is random, so that devices spread. */
export class Edges {
  readonly #urls: readonly string[];
  readonly #connect: ConnectEdge;
  readonly #listener: SdkListener | undefined;
  readonly #made = new Map<string, Edge>();
  #at: number;

  /** `start` in [0, 1) chooses the first one. Throws MALFORMED when there is none. */
  constructor(urls: readonly string[], connect: ConnectEdge, start: number, listener?: SdkListener) {
    if (urls.length === 0) throw new SallyportError('MALFORMED', { message: 'there is no edge to call' });
    this.#urls = urls;
    this.#connect = connect;
    this.#listener = listener;
    this.#at = Math.floor(start * urls.length);
  }

  get count(): number {
    return this.#urls.length;
  }

  /** The edge that is called next. */
  get current(): Edge {
    return this.#edge(this.#urls[this.#at % this.#urls.length] ?? '');
  }

  #edge(url: string): Edge {
    const known = this.#made.get(url);
    if (known) return known;
    const edge = { ...this.#connect(url), url };
    this.#made.set(url, edge);
    return edge;
  }

  /** Another one, if there is one. */
  besides(edge: Edge): Edge | undefined {
    const at = this.#urls.indexOf(edge.url);
    const url = this.#urls[(at + 1) % this.#urls.length] ?? '';
    return url === edge.url ? undefined : this.#edge(url);
  }

  /** An edge did not answer. Many calls fail together when one dies: only the first of them moves on. */
  failed(edge: Edge, error: SallyportError): void {
    if (this.#urls[this.#at % this.#urls.length] !== edge.url) return;
    this.#at = (this.#at + 1) % this.#urls.length;
    this.#listener?.({ type: 'edge-failed', edge: edge.url, reason: error.message });
  }

  close(): void {
    for (const edge of this.#made.values()) edge.close?.();
    this.#made.clear();
  }
}
