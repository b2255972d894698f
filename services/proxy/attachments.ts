import { SallyportError } from '#core/errors/error.ts';
import type { Attachment } from './attachment.ts';

export interface AttachmentLimits {
  /** Attachments at this proxy; the one that was used longest ago makes room. */
  readonly maxAttachments: number;
  /** Of one session; the oldest makes room. */
  readonly maxPerSession: number;
  /** Milliseconds without use after which one is forgotten. */
  readonly idleMs: number;
}

const forgotten = (why: string): SallyportError => new SallyportError('ATTACH_REQUIRED', { message: why });

/** The attachments of this proxy. Whatever it forgets, the device makes anew with one call. */
export class Attachments {
  readonly #limits: AttachmentLimits;
  /** By epoch, the one that was found longest ago first. */
  readonly #byEpoch = new Map<string, Attachment>();
  readonly #bySession = new Map<string, Set<Attachment>>();

  constructor(limits: AttachmentLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byEpoch.size;
  }

  /** @throws OVERLOADED when all others are in use; INTERNAL for an epoch that is here already (invariant I2) */
  add(attachment: Attachment): void {
    if (this.#byEpoch.has(attachment.epoch)) {
      throw new SallyportError('INTERNAL', { message: 'an epoch was given twice' });
    }
    const siblings = this.#bySession.get(attachment.sessionId) ?? new Set();
    const [oldest] = siblings;
    if (oldest !== undefined && siblings.size >= this.#limits.maxPerSession) {
      this.remove(oldest, forgotten('the session has been attached too many times since'));
    }
    if (this.#byEpoch.size >= this.#limits.maxAttachments) this.#makeRoom();
    this.#byEpoch.set(attachment.epoch, attachment);
    // `remove` may have dropped the set when it became empty.
    this.#bySession.set(attachment.sessionId, siblings.add(attachment));
  }

  /** @throws ATTACH_REQUIRED, or the error that ended the attachment */
  find(sessionId: string, epoch: Uint8Array): Attachment {
    const attachment = this.#byEpoch.get(Buffer.from(epoch).toString('hex'));
    if (attachment === undefined || attachment.sessionId !== sessionId) {
      throw new SallyportError('ATTACH_REQUIRED');
    }
    this.#byEpoch.delete(attachment.epoch);
    this.#byEpoch.set(attachment.epoch, attachment);
    return attachment;
  }

  remove(attachment: Attachment, error: SallyportError): void {
    if (!this.#byEpoch.delete(attachment.epoch)) return;
    const siblings = this.#bySession.get(attachment.sessionId);
    siblings?.delete(attachment);
    if (siblings?.size === 0) this.#bySession.delete(attachment.sessionId);
    attachment.end(error);
  }

  /** Ends all for which `matches`; returns how many. */
  removeWhere(matches: (attachment: Attachment) => boolean, error: SallyportError): number {
    const matching = [...this.#byEpoch.values()].filter(matches);
    for (const attachment of matching) this.remove(attachment, error);
    return matching.length;
  }

  /** Forgets what nobody has used for long. */
  sweep(): void {
    this.removeWhere((each) => each.idleMs > this.#limits.idleMs, forgotten('it was idle for too long'));
  }

  [Symbol.iterator](): IterableIterator<Attachment> {
    return this.#byEpoch.values();
  }

  #makeRoom(): void {
    // Those in use stand in the way of a look, but are as few as the calls that a server admits.
    for (const each of this.#byEpoch.values()) {
      if (each.inUse) continue;
      this.remove(each, forgotten('this proxy needed the room'));
      return;
    }
    throw new SallyportError('OVERLOADED', { retryAfterMs: 1000 });
  }
}
