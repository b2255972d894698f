import type { PeerService } from '#gen/sallyport/peer/v1/peer_pb.js';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { requireOwnName, requireRole } from '../authorize/callers.ts';
import type { LeaseBook } from '../authorize/lease-book.ts';
import type { RevocationFeed } from '../feed/revocation-feed.ts';
import { entryOfWire } from '../feed/wire-entry.ts';
import type { SessionOwner } from '../session/session-owner.ts';

export interface PeerServiceDeps {
  readonly sessions: Pick<SessionOwner, 'give' | 'accept' | 'travelling'>;
  readonly feed: Pick<RevocationFeed, 'take' | 'readTo' | 'position'>;
  readonly leases: Pick<LeaseBook, 'settled'>;
}

/** What other security pods ask of this one. */
export function peerService(deps: PeerServiceDeps): Handlers<typeof PeerService> {
  return {
    handOver: async ({ sessionId, to, notAt }, call) => {
      requireRole(call, 'security');
      requireOwnName(call, to);
      const given = deps.sessions.give(sessionId, to, notAt === '' ? undefined : notAt);
      if (given === undefined) return { result: { case: 'unknown', value: true } };
      if ('forwardedTo' in given) return { result: { case: 'forwardedTo', value: given.forwardedTo } };
      const { version, ...session } = deps.sessions.travelling(given.record);
      return { result: { case: 'session', value: { ...session, version: BigInt(version) } } };
    },

    pushRevocation: async ({ entries, waitForLeases }, call) => {
      requireRole(call, 'security');
      const known = entries.map(entryOfWire);
      const position = Math.max(...entries.map((entry) => Number(entry.position)));
      if (known.every((entry) => entry !== undefined)) await deps.feed.take(known);
      else await deps.feed.readTo(position);
      if (waitForLeases) await deps.leases.settled(position);
      return { position: BigInt(deps.feed.position) };
    },

    pushSessions: async ({ sessions }, call) => {
      requireRole(call, 'security');
      let accepted = 0;
      for (const session of sessions) {
        if (await deps.sessions.accept({ ...session, version: Number(session.version) })) accepted++;
      }
      return { accepted };
    },
  };
}
