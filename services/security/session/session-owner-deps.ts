import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Feed } from '../feed/feed.ts';
import type { FindElsewhereDeps } from './find-elsewhere.ts';
import type { Forwarding } from './forwarding.ts';
import type { HeldSessions } from './held-sessions.ts';
import type { Persister } from './persister.ts';
import type { RecordKeys } from './seal-record.ts';
import type { SessionStore } from './session-store.ts';

export interface SessionOwnerDeps {
  readonly pod: string;
  readonly era: number;
  readonly feed: Pick<Feed, 'position' | 'assertFresh' | 'isRevoked' | 'revokeAndPush'>;
  readonly macKeys: () => readonly Uint8Array[];
  readonly keys: RecordKeys;
  readonly held: HeldSessions;
  readonly forwarding: Forwarding;
  /** Undefined with `sessions.persistence: off`. */
  readonly persister: Persister | undefined;
  readonly store: SessionStore | undefined;
  readonly elsewhere: Pick<
    FindElsewhereDeps,
    'peers' | 'members' | 'refreshMembers' | 'handOverMs' | 'gateways'
  >;
  /** Database time. */
  readonly now: () => number;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds after its opening at which a session ends, however often it was renewed. */
  readonly maxLifeMs: number;
  /** It was used at this database time. */
  readonly onSeen?: (handle: string, atMs: number) => void;
}
