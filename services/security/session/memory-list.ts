import type { HeldSessions } from './held-sessions.ts';
import { infoOf } from './session-info.ts';
import type { SessionStore } from './session-store.ts';

/** With persistence off: the sessions of this pod alone. */
export function memoryList(held: HeldSessions, now: () => number): Pick<SessionStore, 'list' | 'info'> {
  return {
    list: async ({ user, deviceId, liveOnly, limit, after }) =>
      [...held.values()]
        .map(({ record, seenMs }) => ({ ...infoOf(record), lastSeenMs: seenMs }))
        .filter((row) => user === undefined || row.user === user)
        .filter((row) => deviceId === undefined || row.deviceId === deviceId)
        .filter((row) => !liveOnly || row.expiresAtMs > now())
        .sort((a, b) => b.openedAtMs - a.openedAtMs || (a.handle < b.handle ? 1 : -1))
        .filter(
          (row) =>
            after === undefined ||
            row.openedAtMs < after.openedAtMs ||
            (row.openedAtMs === after.openedAtMs && row.handle < after.handle),
        )
        .slice(0, limit),
    info: async (handle) => {
      const found = held.byHandle(handle);
      return found && { ...infoOf(found.record), lastSeenMs: found.seenMs };
    },
  };
}
