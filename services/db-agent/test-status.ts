import type { AgentStatus } from './status.ts';

/** For specs: what the agent of a node says that has just started, in no group, but for `more`. */
export const idleStatus = (pod: string, more: Partial<AgentStatus> = {}): AgentStatus => ({
  pod,
  serverUuid: `uuid-of-${pod}`,
  phase: 'idle',
  state: 'OFFLINE',
  role: '',
  majority: false,
  writable: false,
  offlineMode: false,
  view: '',
  members: [],
  gtidExecuted: '',
  gtidReceived: '',
  fresh: true,
  full: false,
  promotions: [],
  superseded: false,
  wordOf: [],
  ...more,
});
