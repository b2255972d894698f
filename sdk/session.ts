import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createClient } from '@connectrpc/connect';
import { wipe } from '../core/channel/bytes.ts';
import {
  openSessionReply,
  type SessionMessageKind,
  sealSessionRequest,
} from '../core/channel/session-message.ts';
import { SallyportError } from '../core/errors/error.ts';
import {
  SessionMessageBodySchema,
  type SessionMessageReplyBody,
  SessionMessageReplyBodySchema,
} from '../gen/sallyport/channel/v1/channel_pb.js';
import { SessionService } from '../gen/sallyport/session/v1/session_pb.js';
import type { SessionSecrets } from './attach.ts';
import { Attacher, type AttachState } from './attacher.ts';
import { callEdges } from './call-edges.ts';
import { within } from './deadline.ts';
import type { Edges } from './edges.ts';
import type { SdkListener } from './events.ts';
import { endsSession } from './failure.ts';
import type { OpenIdCredential } from './oidc.ts';
import type { Platform } from './platform.ts';
import { type FetchInit, inTrace, type PreparedRequest, prepareRequest } from './request.ts';
import { type SessionResponse, sessionResponse } from './response.ts';
import { resumableBody } from './resumable-body.ts';
import { routeHeaders } from './route.ts';
import { type Answer, sendRequest } from './send-request.ts';
import { type Tracer, traced } from './trace.ts';

const defaultTimeoutMs = 30_000;
const defaultMaxBytes = 64 * 1024 * 1024;
const tryTimeoutMs = 10_000;

export interface SessionParts {
  readonly secrets: SessionSecrets;
  /** Unix milliseconds, by the tier's clock. */
  readonly expiresAtMs: number;
  /** Where the security tier is reached. */
  readonly edges: Edges;
  /** Where the proxies are reached; may be the same. */
  readonly proxies: Edges;
  readonly platform: Platform;
  readonly listener: SdkListener | undefined;
  readonly tracer?: Tracer | undefined;
  /** What relative URLs are resolved against. */
  readonly origin: string | undefined;
  /** The tier's time, Unix milliseconds. */
  readonly tierNow: () => number;
}

/** Any of these; all that is given must be right. */
export interface StepUpProof {
  readonly password?: string;
  readonly openId?: OpenIdCredential;
  readonly pin?: string;
}

/** A user's session on this device. It attaches by itself, wherever a proxy lives. */
export class Session {
  readonly #parts: SessionParts;
  readonly #attacher: Attacher;
  #expiresAtMs: number;
  #closing = false;

  constructor(parts: SessionParts) {
    const { secrets, proxies, platform, listener } = parts;
    this.#parts = parts;
    this.#expiresAtMs = parts.expiresAtMs;
    this.#attacher = new Attacher({
      ...{ session: secrets, edges: proxies, platform, listener },
      onEnd: () => {
        // The message that closes the session is still to be sealed.
        if (!this.#closing) wipe(secrets.sessionKey);
      },
    });
  }

  get id(): string {
    return this.#parts.secrets.sessionId;
  }

  /** Unix milliseconds, by the tier's clock. */
  get expiresAtMs(): number {
    return this.#expiresAtMs;
  }

  get state(): AttachState['at'] {
    return this.#attacher.state;
  }

  /**
   * Fetches an intranet page. Failures on the way are made good where that is safe (see `repeat.ts`).
   * A status of 400 or more is an answer, not an error.
   * @throws UNKNOWN_OUTCOME (with `metadata.requestId`), POLICY_DENIED, SESSION_…, UNAVAILABLE,
   *   BACKEND_UNAVAILABLE, DEADLINE, CANCELLED, REQUEST_INVALID, TOO_LARGE
   */
  async fetch(input: string | URL, init: FetchInit = {}): Promise<SessionResponse> {
    const { platform, origin, tracer } = this.#parts;
    const request = prepareRequest(platform.crypto, input, init, origin);
    return traced(tracer, request.head.method, (traceparent) =>
      this.#fetch(inTrace(request, traceparent), init),
    );
  }

  async #fetch(request: PreparedRequest, init: FetchInit): Promise<SessionResponse> {
    const { platform, listener } = this.#parts;
    const deps = { attacher: this.#attacher, platform, listener };
    const timeoutMs = init.timeoutMs ?? defaultTimeoutMs;
    const what = `${request.head.method} ${request.url}`;
    const send = (again: PreparedRequest, caller: AbortSignal | undefined): Promise<Answer> =>
      within(platform, timeoutMs, what, caller, (signal) => sendRequest(deps, again, signal));
    const answer = await send(request, init.signal);
    const given = givenUp(init.signal);
    const reading = { whole: false };
    return sessionResponse({
      url: request.url,
      requestId: request.id,
      proxy: answer.proxy,
      head: answer.head,
      body: resumableBody({ platform, listener, send }, request, answer, given.signal, reading),
      reading,
      cancel: given.cancel,
      maxBytes: init.maxBytes ?? defaultMaxBytes,
    });
  }

  /** Attaches now, so that the first request need not wait for it. */
  async attach(options: { signal?: AbortSignal; timeoutMs?: number } = {}): Promise<{ proxy: string }> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const { platform, tracer } = this.#parts;
    const { proxy } = await traced(tracer, 'attach', (traceparent) =>
      within(platform, timeoutMs, 'attaching', options.signal, (signal) =>
        this.#attacher.link(signal, traceparent),
      ),
    );
    return { proxy };
  }

  /** Moves the session's end into the future. @throws SESSION_…, UNAVAILABLE */
  async renew(options: { signal?: AbortSignal } = {}): Promise<{ expiresAtMs: number }> {
    this.#attacher.assertLive();
    try {
      const reply = await this.#message('renew', options.signal);
      this.#expiresAtMs = Number(reply.expiresAtMs);
      return { expiresAtMs: this.#expiresAtMs };
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      if (endsSession(error)) this.#attacher.end(error);
      throw error;
    }
  }

  /**
   * Proves in another way who the user is: after POLICY_DENIED with STEP_UP. What was denied may be asked for again.
   * @throws CREDENTIALS_INVALID, THROTTLED, OIDC_UNREACHABLE, SESSION_…, UNAVAILABLE
   */
  async stepUp(proof: StepUpProof, options: { signal?: AbortSignal } = {}): Promise<void> {
    this.#attacher.assertLive();
    await this.#message('stepUp', options.signal, proof);
  }

  /** Ends the session everywhere, and this object whether or not the tier could be told. */
  async close(options: { signal?: AbortSignal } = {}): Promise<void> {
    const over = this.#attacher.state === 'ended';
    this.#closing = true;
    this.#attacher.end(new SallyportError('SESSION_REVOKED', { message: 'the session was closed' }));
    try {
      if (!over) await this.#message('close', options.signal);
    } catch (thrown) {
      const error = SallyportError.from(thrown);
      // An answer was lost, and the session is over all the same.
      if (!endsSession(error)) throw error;
    } finally {
      wipe(this.#parts.secrets.sessionKey);
      if (this.#parts.proxies !== this.#parts.edges) this.#parts.proxies.close();
    }
  }

  /** Sealed once and sent until it is answered. */
  async #message(
    kind: SessionMessageKind,
    caller: AbortSignal | undefined,
    proof: StepUpProof = {},
  ): Promise<SessionMessageReplyBody> {
    const { platform, edges, secrets, tierNow, tracer } = this.#parts;
    const { sessionId, sessionKey, routeKey } = secrets;
    const { crypto } = platform;
    const context = { kind, sessionId, sessionKey };
    const timeMs = BigInt(Math.round(tierNow()));
    const plaintext = toBinary(
      SessionMessageBodySchema,
      create(SessionMessageBodySchema, { timeMs, ...proof }),
    );
    const { nonce, ciphertext } = sealSessionRequest(crypto, context, plaintext);
    const reply = await traced(tracer, kind, (traceparent) =>
      within(platform, defaultTimeoutMs, `to ${kind} the session`, caller, (signal) =>
        callEdges<{ ciphertext: Uint8Array }>(edges, platform, signal, (edge) => {
          const client = createClient(SessionService, edge.transport);
          const sealed = { sessionId, nonce, ciphertext };
          const headers = routeHeaders(routeKey, traceparent);
          const options = { signal, timeoutMs: tryTimeoutMs, headers };
          if (kind === 'stepUp') return client.stepUp(sealed, options);
          return kind === 'renew'
            ? client.renewSession({ sealed }, options)
            : client.closeSession({ sealed }, options);
        }),
      ),
    );
    return fromBinary(
      SessionMessageReplyBodySchema,
      openSessionReply(crypto, context, nonce, reply.ciphertext),
    );
  }
}

/** Aborted, with CANCELLED, by the caller's signal or by whoever reads the body. */
function givenUp(caller: AbortSignal | undefined): { signal: AbortSignal; cancel: () => void } {
  const end = new AbortController();
  const cancel = (): void => end.abort(new SallyportError('CANCELLED', { cause: caller?.reason }));
  if (caller?.aborted) cancel();
  else caller?.addEventListener('abort', cancel, { once: true, signal: end.signal });
  return { signal: end.signal, cancel };
}
