import type { PeerView } from '../decide.ts';
import type { AgentStatus } from '../status.ts';

/**
 * Whether this node is the one that makes backups: of the members the first by name that is able to, secondaries before
 * the primary, so that logins do not wait for it. The group's own membership decides, so whoever dies is followed as soon
 * as the group has noticed. While two agents see different views both may; that costs space and nothing else, since each
 * writes a stretch of the log and snapshots of its own.
 */
export function isBackupTurn(self: AgentStatus, peers: readonly PeerView[]): boolean {
  const isMember = (s: AgentStatus | undefined): s is AgentStatus =>
    s !== undefined && s.state === 'ONLINE' && s.majority && !s.full && s.phase === 'member';
  if (!isMember(self)) return false;
  const members = [self, ...peers.map(({ status }) => status).filter(isMember)];
  const rank = (s: AgentStatus): string =>
    `${s.backupFailing === true ? 1 : 0}${s.role === 'PRIMARY' ? 1 : 0}${s.pod}`;
  return members.every((other) => rank(self) <= rank(other));
}
