import { SallyportError } from '#core/errors/error.ts';
import type { SessionFacts } from '#core/policy/facts.ts';
import { type RevocationEntry, RevocationKind } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Attachment } from './attachment.ts';
import type { Attachments } from './attachments.ts';
import type { Lease } from './lease.ts';

/** Entries that are remembered for attachments that are still being made. */
const maxRemembered = 10_000;

/** What an entry can name. */
interface Subject {
  readonly handle: string;
  readonly routeKey: string;
  readonly facts: SessionFacts;
}

const named: Partial<Record<RevocationKind, (subject: string, of: Subject) => boolean>> = {
  [RevocationKind.SESSION]: (subject, { handle }) => handle === subject,
  [RevocationKind.DEVICE]: (subject, { facts }) => facts.deviceId === subject,
  [RevocationKind.USER]: (subject, { facts }) => facts.user === subject,
  [RevocationKind.GROUPS]: (subject, { facts }) => facts.user === subject,
  [RevocationKind.SHARED_KEY]: (subject, { routeKey }) => routeKey === subject,
};

/** Everybody, and a kind that this release does not know: it may mean anybody. */
const meansAll = (entry: RevocationEntry): boolean => named[entry.kind] === undefined;

const concerns = (entry: RevocationEntry, of: Subject): boolean =>
  named[entry.kind]?.(entry.subject, of) ?? true;

/**
 * What this proxy knows of the revocation feed. A security pod takes an acknowledgement to mean that this
 * proxy lets nobody use what that entry or an earlier one ends (invariant I1), so a lease that was given
 * before an entry and arrives after it must not slip through, nor one that was given before a Watch began.
 */
export class Revocations {
  readonly #attachments: Attachments;
  /** By position, kind and subject: each pod tells of each entry. */
  readonly #recent = new Map<string, RevocationEntry>();
  /** Entries up to here have been forgotten. */
  #forgottenUpTo = 0;
  /** By pod: what it told up to here has been carried out. */
  readonly #positions = new Map<string, number>();
  /** By pod: where its first Watch began; entries up to there it never told. */
  readonly #since = new Map<string, number>();
  /** Highest position of any entry told. */
  #newest = 0;
  #era = 0;

  constructor(attachments: Attachments) {
    this.#attachments = attachments;
  }

  /** Where a Watch to that pod is to begin; 0 when it has told nothing and nothing it leased is held. */
  resumeAt(pod: string): number {
    const known = this.#positions.get(pod) ?? 0;
    if (known > 0) return known;
    let lowest = Number.POSITIVE_INFINITY;
    for (const { lease } of this.#attachments) {
      if (lease.pod === pod) lowest = Math.min(lowest, lease.feedPosition);
    }
    return Number.isFinite(lowest) ? lowest : 0;
  }

  /**
   * The pod tells of everything after `position` from now on; called before anything it tells is carried
   * out. What it leased before that, and no later entry has been looked at for, is attached anew.
   */
  watching(pod: string, position: number): void {
    if ((this.#positions.get(pod) ?? 0) > 0) return;
    this.#positions.set(pod, position);
    this.#since.set(pod, position);
    this.#attachments.removeWhere(
      (each) => each.lease.pod === pod && each.clearedUpTo < position,
      new SallyportError('ATTACH_REQUIRED', { message: 'the lease is older than what this proxy knows' }),
    );
  }

  /** The pod has told everything up to here. */
  told(pod: string, position: number): void {
    this.#positions.set(pod, Math.max(position, this.#positions.get(pod) ?? 0));
  }

  /** Ends what the entry names, and with it its streams; returns how many attachments that were. */
  carryOut(entry: RevocationEntry): number {
    const position = Number(entry.position);
    this.#remember(entry, position);
    // Whoever was cleared up to a later position was found not concerned.
    return this.#attachments.removeWhere(
      (each) => each.clearedUpTo < position && concerns(entry, { ...namesOf(each), facts: each.lease.facts }),
      // Who is not named may well have a good session: the tier tells when the device attaches again.
      errorOf(entry),
    );
  }

  /**
   * Whether a lease that has just arrived, for a new attachment or a renewal, may be used: nothing that was
   * carried out or never told meanwhile may end it.
   * @throws STALE; the next lease will be given by a pod that knows more
   */
  assertCurrent(attachment: Attachment, lease: Lease): void {
    const cleared = Math.max(attachment.clearedUpTo, lease.feedPosition);
    const missed = Math.max(this.#forgottenUpTo, this.#since.get(lease.pod) ?? 0);
    const subject = { ...namesOf(attachment), facts: lease.facts };
    if (cleared >= missed && !this.#endsAfter(cleared, subject)) return;
    throw new SallyportError('STALE', {
      message: 'a revocation overtook this lease',
      retryAfterMs: 250,
    });
  }

  get era(): number {
    return this.#era;
  }

  /**
   * The era that a pod is in. A new one makes all that was before it void, positions included.
   * @throws STALE for a pod that is in an older one than another
   */
  enterEra(era: number): void {
    if (era < this.#era) throw new SallyportError('STALE', { message: `the pod is in the past era ${era}` });
    if (era === this.#era) return;
    const first = this.#era === 0;
    this.#era = era;
    if (first) return;
    this.#recent.clear();
    this.#positions.clear();
    this.#since.clear();
    this.#forgottenUpTo = 0;
    this.#newest = 0;
    this.#attachments.removeWhere(
      () => true,
      new SallyportError('ATTACH_REQUIRED', { message: 'a new era has begun' }),
    );
  }

  #endsAfter(position: number, subject: Subject): boolean {
    // Nearly always the lease knows of everything.
    if (position >= this.#newest) return false;
    for (const entry of this.#recent.values()) {
      if (Number(entry.position) > position && concerns(entry, subject)) return true;
    }
    return false;
  }

  #remember(entry: RevocationEntry, position: number): void {
    this.#newest = Math.max(this.#newest, position);
    if (position <= this.#forgottenUpTo) return;
    this.#recent.set(`${position} ${entry.kind} ${entry.subject}`, entry);
    if (this.#recent.size <= maxRemembered) return;
    // Pods tell in order, so the first is old, though not always the oldest; whatever lies below goes with it.
    const [oldest] = this.#recent.values();
    this.#forgottenUpTo = Number(oldest?.position ?? position);
    for (const [key, each] of this.#recent) {
      if (Number(each.position) <= this.#forgottenUpTo) this.#recent.delete(key);
      else break;
    }
  }
}

const namesOf = ({ handle, routeKey }: Attachment) => ({ handle, routeKey });

/** Why the attachments that an entry ends are over, as their devices are told. */
function errorOf(entry: RevocationEntry): SallyportError {
  if (meansAll(entry)) return new SallyportError('ATTACH_REQUIRED');
  const [, message] = /^APP_REFUSED (.*)$/s.exec(entry.reason) ?? [];
  return message === undefined
    ? new SallyportError('SESSION_REVOKED')
    : new SallyportError('APP_REFUSED', { message });
}
