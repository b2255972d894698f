import { withDeadline } from '#kernel/time/deadline.ts';
import type { GroupCommands } from './group-commands.ts';
import type { Keeper } from './keeper.ts';
import type { Log } from './log.ts';
import type { Mysqld } from './mysqld.ts';
import type { Peers } from './peers.ts';

export interface StopOptions {
  readonly keeper: Keeper;
  readonly mysqld: Mysqld;
  readonly peers: Peers;
  readonly commands: GroupCommands;
  readonly log: Log;
}

/** Bounds in milliseconds. Measured: 0.1 s for the move, 3 s each to leave and to end, 50 s at worst under load. */
const moveMs = 8000;
const leaveMs = 12_000;
const endMs = 15_000;
const quickEndMs = 5000;
const killMs = 5000;

/**
 * Moves the role of primary to another pod, if this one has it and another one is ONLINE.
 * @returns the pod that has it now; undefined if there was nothing to move. @throws what MySQL says.
 */
export async function handOver(o: StopOptions): Promise<string | undefined> {
  const self = o.keeper.status;
  if (self.state !== 'ONLINE' || self.role !== 'PRIMARY') return undefined;
  const [next] = o.peers.view
    .flatMap((p) => (p.status?.state === 'ONLINE' && p.status.majority ? [p.status] : []))
    .sort((a, b) => (a.pod < b.pod ? -1 : 1));
  if (!next) return undefined;
  await withDeadline(o.commands.moveTo(next.serverUuid), moveMs, { what: 'moving the primary' });
  o.log('info', 'handed over', { to: next.pod });
  return next.pod;
}

/**
 * Ends this node. With `handover`: as gently as bounds allow, so that the others hardly notice. Without,
 * for when the whole group stops: quickly; InnoDB recovers from whatever is cut off. Never throws.
 */
export async function stopNode(o: StopOptions, handover: boolean): Promise<void> {
  const attempt = async (what: string, run: () => Promise<unknown>): Promise<boolean> => {
    try {
      await run();
      return true;
    } catch (error) {
      o.log('warn', `${what} failed`, { error: error instanceof Error ? error.message : String(error) });
      return false;
    }
  };
  if (handover) await attempt('handing over', () => handOver(o));
  o.keeper.stop();
  if (handover && o.keeper.status.state !== 'DOWN') {
    await attempt('leaving the group', () =>
      withDeadline(o.commands.leave(), leaveMs, { what: 'leaving the group' }),
    );
  }
  o.mysqld.signal('SIGTERM');
  if (await attempt('ending mysqld', () => o.mysqld.ended(handover ? endMs : quickEndMs))) return;
  o.mysqld.signal('SIGKILL');
  await attempt('killing mysqld', () => o.mysqld.ended(killMs));
}
