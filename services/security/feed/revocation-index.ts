import { handleOf, type Revocable } from '../session/record.ts';
import type { Revocation } from './feed.ts';

interface Latest {
  readonly position: number;
  readonly committedAtMs: number;
}

/** The latest entry of every subject: whether a session has been ended takes five look-ups. */
export class RevocationIndex {
  readonly #latest = new Map<string, Latest>();

  add(entry: Revocation): void {
    this.#latest.set(keyOf(entry), { position: entry.position, committedAtMs: entry.committedAtMs });
  }

  isRevoked(session: Revocable): boolean {
    const since = session.feedPosition;
    return (
      this.#after(`session ${handleOf(session.id)}`, since) ||
      this.#after(`shared-key ${session.routeKey}`, since) ||
      this.#after(`user ${session.user}`, since) ||
      (session.deviceId !== '' && this.#after(`device ${session.deviceId}`, since)) ||
      this.#after('everybody', since)
    );
  }

  /** Forgets entries that are older than any session can be. */
  forgetBefore(committedMs: number): void {
    for (const [key, latest] of this.#latest) {
      if (latest.committedAtMs < committedMs) this.#latest.delete(key);
    }
  }

  get size(): number {
    return this.#latest.size;
  }

  #after(key: string, position: number): boolean {
    return (this.#latest.get(key)?.position ?? -1) > position;
  }
}

function keyOf({ kind, subject }: Revocation): string {
  if (kind === 'everybody') return 'everybody';
  // Sessions of a user whose groups have changed end as if the user had been revoked: the next one reads them anew.
  return `${kind === 'groups' ? 'user' : kind} ${subject}`;
}
