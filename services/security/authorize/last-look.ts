import { SallyportError } from '#core/errors/error.ts';
import type { Feed } from '../feed/feed.ts';
import type { SessionRecord } from '../session/record.ts';

export type LookFeed = Pick<Feed, 'position' | 'assertFresh' | 'isRevoked'>;

/**
 * The last look before an answer about a session: does this pod still know who is welcome, and is this one? Whether
 * it was ended is looked up once for each position of the feed, since without a new entry nothing ends.
 * @throws STALE, SESSION_REVOKED
 */
export function lastLook(feed: LookFeed): (record: SessionRecord) => void {
  const welcomeAt = new WeakMap<SessionRecord, number>();
  return (record) => {
    feed.assertFresh();
    const { position } = feed;
    if (welcomeAt.get(record) === position) return;
    if (feed.isRevoked(record)) throw new SallyportError('SESSION_REVOKED');
    welcomeAt.set(record, position);
  };
}
