import { type AgentStatus, compareViews } from './status.ts';

/** What the health checks ask. */
export type Question = 'primary' | 'replica' | 'readable';

/**
 * `primary`: may be written to. `replica`: an ONLINE secondary. `readable`: ONLINE in any role. A primary
 * that is leaving, or has just woken up, still claims the role: so its view must be the newest that any
 * agent reports, and as many members as the write quorum asks for must be with it.
 */
export function answers(
  question: Question,
  self: AgentStatus,
  peers: readonly (AgentStatus | undefined)[],
  writeQuorum: number,
): boolean {
  if (self.superseded) return false;
  if (self.state !== 'ONLINE' || !self.majority || self.offlineMode || self.phase === 'stopping')
    return false;
  // Reads wait there for what it cannot apply. Where nobody else is left, what it has is better than nothing.
  if (self.full && peers.some((p) => p?.state === 'ONLINE' && p.majority && !p.full)) return false;
  switch (question) {
    case 'readable':
      return true;
    case 'replica':
      return self.role === 'SECONDARY';
    case 'primary': {
      const online = self.members.filter((m) => m.state === 'ONLINE').length;
      const newer = peers.some(
        (p) => p?.state === 'ONLINE' && p.majority && compareViews(p.view, self.view) > 0,
      );
      return self.role === 'PRIMARY' && self.writable && online >= writeQuorum && !newer;
    }
  }
}
