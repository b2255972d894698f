import type { TrafficKeys } from '#core/channel/attach.ts';
import { FrameOpener, FrameSealer } from '#core/channel/frame.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { type Clock, elapsed, type Instant, instant } from '#kernel/time/clock.ts';
import type { Lease } from './lease.ts';
import { WorkScope } from './work-scope.ts';

/** An identity assertion, kept while it can be shown. */
export interface HeldAssertion {
  /** Since when, monotonic. */
  readonly sinceMs: number;
  readonly jwt: string;
  /** Unix milliseconds. */
  readonly expiresAtMs: number;
  /** The policy it was given under. */
  readonly policyVersion: number;
}

export interface AttachmentParts {
  readonly sessionId: string;
  readonly routeKey: string;
  /** The session id without its MAC, by which revocations name it. */
  readonly handle: string;
  /** 16 bytes. */
  readonly epoch: Uint8Array;
  readonly keys: TrafficKeys;
  readonly lease: Lease;
}

/** Resources of one attachment whose assertions are kept. */
const maxAssertions = 64;

/** One device's use of one session at this proxy: keys, numbers, and the right to use them. */
export class Attachment {
  readonly sessionId: string;
  readonly routeKey: string;
  readonly handle: string;
  /** Hexadecimal; the attachment's name here. */
  readonly epoch: string;
  readonly sealer: FrameSealer;
  readonly opener: FrameOpener;
  /** Questions to the security tier that are under way, by what they are for; see Authorizer. */
  readonly asking = new Map<string, Promise<unknown>>();
  /** What the device asked for last: the question that a renewal repeats. */
  lastRequest: RequestFacts | undefined;
  /** Gateways that serve the session, by group, as its owner has said. */
  readonly gateways = new Map<string, string>();
  /** An attachment carries one stream in its life: frame numbers of a second would mean nothing. */
  streamed = false;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  /** By name of the resource, the latest last. */
  readonly #assertions = new Map<string, HeldAssertion>();
  #lease: Lease;
  #clearedUpTo: number;
  #policyVersion: number;
  #used: Instant;
  /** What goes on for the device. */
  readonly #going = new Set<WorkScope>();
  readonly #onLeaseLost = new Set<(error: SallyportError) => void>();

  constructor(parts: AttachmentParts, clock: Clock) {
    this.sessionId = parts.sessionId;
    this.routeKey = parts.routeKey;
    this.handle = parts.handle;
    this.epoch = Buffer.from(parts.epoch).toString('hex');
    const direction = { sessionId: parts.sessionId, epoch: parts.epoch };
    this.opener = new FrameOpener(channelCrypto, { ...direction, key: parts.keys.deviceToProxy });
    this.sealer = new FrameSealer(channelCrypto, { ...direction, key: parts.keys.proxyToDevice });
    this.#lease = parts.lease;
    this.#clearedUpTo = parts.lease.feedPosition;
    this.#policyVersion = parts.lease.policyVersion;
    this.#clock = clock;
    this.#used = instant(clock);
  }

  get lease(): Lease {
    return this.#lease;
  }

  /**
   * Position of the revocation feed up to which the tier has found that no entry concerns this session.
   * It never goes back, though a lease of a pod that lags may name an earlier one.
   */
  get clearedUpTo(): number {
    return this.#clearedUpTo;
  }

  /** The newest that a lease was given under; no decision is made by an older one. */
  get policyVersion(): number {
    return this.#policyVersion;
  }

  renew(lease: Lease): void {
    this.#lease = lease;
    this.#clearedUpTo = Math.max(this.#clearedUpTo, lease.feedPosition);
    this.#policyVersion = Math.max(this.#policyVersion, lease.policyVersion);
  }

  assertionFor(resource: string): HeldAssertion | undefined {
    return this.#assertions.get(resource);
  }

  /** Keeps the latest of a bounded number of resources. */
  keepAssertion(resource: string, assertion: HeldAssertion): void {
    if (this.ended.aborted) return;
    this.#assertions.delete(resource);
    this.#assertions.set(resource, assertion);
    const [oldest] = this.#assertions.keys();
    if (this.#assertions.size > maxAssertions && oldest !== undefined) this.#assertions.delete(oldest);
  }

  /** Aborted, with the error as its reason, when the attachment ends: whatever goes on for it stops then. */
  get ended(): AbortSignal {
    return this.#abort.signal;
  }

  /** Milliseconds since it was last used; 0 while something goes on. */
  get idleMs(): number {
    return this.inUse ? 0 : elapsed(this.#clock, this.#used);
  }

  get inUse(): boolean {
    return this.#going.size > 0;
  }

  /** Something begins; the function it returns ends it. It is given up when the attachment ends. */
  use(work = new WorkScope()): () => void {
    if (this.ended.aborted) work.giveUp(this.ended.reason);
    this.#going.add(work);
    return () => {
      if (this.#going.delete(work)) this.#used = instant(this.#clock);
    };
  }

  /**
   * To be asked before anything is taken from or given to the device (invariant I4): the clock is read
   * here, so a process that was stopped in between notices.
   * @throws the error that ended the attachment, or LEASE_LOST
   */
  assertLive(): void {
    if (this.ended.aborted) throw this.ended.reason;
    if (!this.#lease.live) throw leaseLost();
  }

  /** There is no lease, and none to be had: what goes on ends with the error. The attachment may get another. */
  loseLease(error: SallyportError): void {
    if (this.ended.aborted) return;
    for (const run of this.#onLeaseLost) run(error);
    for (const work of this.#going) work.giveUp(error);
  }

  /** Calls `run` whenever the lease is lost, before what goes on ends by it. Returns what ends that. */
  onLeaseLost(run: (error: SallyportError) => void): () => void {
    this.#onLeaseLost.add(run);
    return () => this.#onLeaseLost.delete(run);
  }

  /** Ends it: keys are overwritten and everything that goes on is cut. */
  end(error: SallyportError): void {
    if (this.ended.aborted) return;
    this.#abort.abort(error);
    for (const work of this.#going) work.giveUp(error);
    this.opener.wipe();
    this.sealer.wipe();
    this.#assertions.clear();
  }
}

export function leaseLost(cause?: unknown): SallyportError {
  return new SallyportError('LEASE_LOST', { retryAfterMs: 500, cause });
}
