import { SallyportError } from '../core/errors/error.ts';
import { type ConnectEdge, Edges } from './edges.ts';
import type { AppInfo, Enrolment } from './enrolment.ts';
import type { EnrolmentStore } from './enrolment-store.ts';
import type { SdkListener } from './events.ts';
import type { OpenIdCredential } from './oidc.ts';
import { openSession } from './open-session.ts';
import { defaultPlatform, type Platform } from './platform.ts';
import { decodeSession, encodeSession, type SavedSession } from './saved-session.ts';
import { ServerKeys } from './server-keys.ts';
import { Session } from './session.ts';
import { type Tracer, traced } from './trace.ts';
import type { DeliveryParts } from './updates/delivery-client.ts';

export interface DeviceOptions {
  readonly app: AppInfo;
  readonly connect: ConnectEdge;
  /** Rotations of the shared key are saved here; without one they are lost with the process, and so is the enrolment. */
  readonly store?: EnrolmentStore;
  readonly platform?: Platform;
  readonly listener?: SdkListener;
  /** Joins what the mesh does for this device to the app's own traces; off without it. */
  readonly tracer?: Tracer;
}

export interface OpenOptions {
  /** The user that this device is enrolled for; as profile `user@site`, at the proxies of that site. */
  readonly user: string;
  /** One of password, OpenID token and PIN at least; with the PIN and another one it is two factors. */
  readonly password?: string;
  /** What `completeOidc` gave. */
  readonly openId?: OpenIdCredential;
  /** The PIN that this device was given. */
  readonly pin?: string;
  /** From now on this device's PIN: 6 to 32 letters and digits. Taken with a password or an OpenID token only. */
  readonly newPin?: string;
  /** What relative URLs of `fetch` are resolved against, for example "https://intranet.example". */
  readonly origin?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds; default 30,000. */
  readonly timeoutMs?: number;
}

/** An enrolled installation, which opens sessions. */
export class Device {
  readonly #options: DeviceOptions;
  readonly #platform: Platform;
  readonly #edges: Edges;
  readonly #serverKeys: ServerKeys;
  /** What `save` needs of the sessions that were opened here. */
  readonly #saveable = new WeakMap<Session, Omit<SavedSession, 'expiresAtMs' | 'clockOffsetMs'>>();
  /** Ways to the proxies that its sessions had to themselves. */
  readonly #proxies = new Set<Edges>();
  #enrolment: Enrolment;
  /** The tier's clock less this device's, milliseconds, as sealed answers have told it. */
  #clockOffsetMs = 0;

  constructor(enrolment: Enrolment, options: DeviceOptions) {
    const platform = options.platform ?? defaultPlatform;
    const { routeKey, identityDigest } = enrolment;
    this.#options = options;
    this.#enrolment = enrolment;
    this.#platform = platform;
    this.#edges = new Edges(enrolment.edges, options.connect, platform.random(), options.listener);
    this.#serverKeys = new ServerKeys({ edges: this.#edges, platform, routeKey, identityDigest });
  }

  /** The device whose enrolment is in the store. @throws NOT_FOUND when it is not enrolled */
  static async load(options: DeviceOptions & { readonly store: EnrolmentStore }): Promise<Device> {
    const enrolment = await options.store.load();
    if (!enrolment) {
      throw new SallyportError('NOT_FOUND', {
        message: 'this installation is not enrolled',
        hint: 'enrol it with an activation string',
      });
    }
    return new Device(enrolment, options);
  }

  get enrolment(): Enrolment {
    return this.#enrolment;
  }

  /** What the app catalogue is asked with: `Updates` of sdk/updates/updates.ts. */
  get delivery(): DeliveryParts {
    return {
      edges: this.#edges,
      platform: this.#platform,
      app: this.#options.app,
      enrolment: () => this.#enrolment,
      tierNow: () => this.#platform.now() + this.#clockOffsetMs,
    };
  }

  /**
   * Opens a session for a user.
   * @throws CREDENTIALS_INVALID, THROTTLED, ENROLMENT_REVOKED, CLOCK_SKEW, UNTRUSTED_SERVER, UNAVAILABLE
   */
  async open(options: OpenOptions): Promise<Session> {
    const deps = {
      app: this.#options.app,
      edges: this.#edges,
      platform: this.#platform,
      serverKeys: this.#serverKeys,
      clockOffsetMs: this.#clockOffsetMs,
    };
    const opened = await traced(this.#options.tracer, 'open', (traceparent) =>
      openSession({ ...deps, traceparent }, this.#enrolment, options),
    );
    this.#clockOffsetMs = opened.clockOffsetMs;
    await this.#keep(opened.enrolment);
    const { proxyUrls, secrets, expiresAtMs } = opened;
    const { sessionId, sessionKey } = secrets;
    return this.#session({ sessionId, sessionKey, expiresAtMs, proxyUrls }, options.origin);
  }

  /**
   * A session of this device as text, with which `resume` goes on in another process: the system may end an
   * app at any time. It holds the session key, so keep it as safe as the enrolment.
   */
  save(session: Session): string {
    const saveable = this.#saveable.get(session);
    if (!saveable)
      throw new SallyportError('NOT_FOUND', { message: 'this device did not open that session' });
    const { expiresAtMs } = session;
    return encodeSession({ ...saveable, expiresAtMs, clockOffsetMs: this.#clockOffsetMs });
  }

  /** Goes on with a saved session. Whether it still lives, the first request tells. @throws MALFORMED */
  resume(saved: string, options: Pick<OpenOptions, 'origin'> = {}): Session {
    const { clockOffsetMs, ...session } = decodeSession(saved);
    this.#clockOffsetMs = clockOffsetMs;
    return this.#session(session, options.origin);
  }

  #session(saved: Omit<SavedSession, 'clockOffsetMs'>, origin: string | undefined): Session {
    const { connect, listener, tracer } = this.#options;
    const platform = this.#platform;
    const edges = this.#edges;
    const { sessionId, sessionKey, proxyUrls, expiresAtMs } = saved;
    const proxies =
      proxyUrls.length === 0 ? edges : new Edges(proxyUrls, connect, platform.random(), listener);
    if (proxies !== edges) this.#proxies.add(proxies);
    const session = new Session({
      secrets: { sessionId, sessionKey, routeKey: this.#enrolment.routeKey },
      expiresAtMs,
      edges,
      proxies,
      platform,
      listener,
      tracer,
      origin,
      tierNow: () => platform.now() + this.#clockOffsetMs,
    });
    // The same bytes as the session's own: closing it wipes them here too.
    this.#saveable.set(session, { sessionId, sessionKey, proxyUrls });
    return session;
  }

  /** Gives the connections up. Sessions that were not closed before live on, and can be resumed if saved. */
  close(): void {
    this.#edges.close();
    for (const proxies of this.#proxies) proxies.close();
    this.#proxies.clear();
  }

  /** Saved before it is used: a key that only the tier knows would mean to enrol again. */
  async #keep(enrolment: Enrolment): Promise<void> {
    if (enrolment === this.#enrolment) return;
    const rotated = enrolment.sharedKeyVersion !== this.#enrolment.sharedKeyVersion;
    await this.#options.store?.save(enrolment);
    this.#enrolment = enrolment;
    if (rotated) this.#options.listener?.({ type: 'key-rotated', version: enrolment.sharedKeyVersion });
  }
}
