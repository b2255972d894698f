import { z } from 'zod';
import { promotions } from './promotion.ts';

/** MySQL's member states (performance_schema.replication_group_members), and DOWN: mysqld does not answer. */
export const memberStates = ['ONLINE', 'RECOVERING', 'OFFLINE', 'ERROR', 'UNREACHABLE', 'DOWN'] as const;

/**
 * What the agent is doing.
 * - `starting`: mysqld does not answer yet, or its accounts are being made
 * - `idle`: not in the group, and nothing under way
 * - `applying`: running through what the relay log still holds
 * - `joining`, `bootstrapping`, `leaving`: as it says
 * - `member`: in the group
 * - `copying`, `following`: a replica, which is in no group, becomes a copy of a member, and receives what the group commits
 * - `promoting`: it takes over from the group
 * - `stopping`: on request
 */
export const phases = [
  'starting',
  'idle',
  'applying',
  'joining',
  'bootstrapping',
  'leaving',
  'member',
  'copying',
  'following',
  'promoting',
  'stopping',
] as const;
export type Phase = (typeof phases)[number];

/** The group as a member last saw it with a majority; it outlives mysqld, the agent and a restart of the host. */
export const rememberedGroup = z.object({
  view: z.string().max(100),
  /** Server uuid. */
  primary: z.string().max(36),
});
export type RememberedGroup = z.infer<typeof rememberedGroup>;

/** What a replica says of itself. */
export const replicaStatus = z.object({
  /** The node that it follows. */
  source: z.string().max(100).optional(),
  connected: z.boolean(),
  /** Milliseconds (replica/lag.ts); absent until it has caught up once. */
  lagMs: z.number().optional(),
});
export type ReplicaStatus = z.infer<typeof replicaStatus>;

/** One db pod as its agent sees it: the answer to GET /status. */
export const agentStatus = z.object({
  pod: z.string().max(100),
  serverUuid: z.string().max(36),
  phase: z.enum(phases),
  state: z.enum(memberStates),
  role: z.enum(['PRIMARY', 'SECONDARY', '']),
  /** Whether most members of its view are ONLINE. */
  majority: z.boolean(),
  /** Neither super_read_only nor offline_mode. */
  writable: z.boolean(),
  /** Milliseconds for which it has been; absent while it is not. */
  writableForMs: z.number().optional(),
  offlineMode: z.boolean(),
  /** MySQL's view id, `<start>:<number>`; empty outside the group. */
  view: z.string().max(100),
  members: z.array(z.object({ id: z.string(), state: z.string(), role: z.string() })).max(20),
  gtidExecuted: z.string(),
  /** What the group delivered to this node's relay log, applied or not. */
  gtidReceived: z.string(),
  /** Nothing of any group was ever stored here. */
  fresh: z.boolean(),
  /** There is no room left for its data: it can neither apply nor acknowledge anything. */
  full: z.boolean().default(false),
  /** Absent: it was never a member since its agent can remember. */
  remembered: rememberedGroup.optional(),
  /** It cannot make backups at present; whoever can is to. */
  backupFailing: z.boolean().optional(),
  /** Of a node that is no member of the group, but follows it. */
  replica: replicaStatus.optional(),
  /** All promotions that it knows of. */
  promotions: promotions.default([]),
  /** By one of them another node has taken over from its group: it serves nobody. */
  superseded: z.boolean().default(false),
  /** Replicas without whose word, that they have not taken over, it does not form the group. */
  wordOf: z.array(z.string()).max(8).default([]),
  waitingFor: z.string().optional(),
  error: z.string().optional(),
});
export type AgentStatus = z.infer<typeof agentStatus>;
export type MemberState = AgentStatus['state'];

/**
 * Orders views. A group that is formed anew starts a new first number, drawn from the clock; within a
 * group the second one counts changes of membership.
 */
export function compareViews(a: string, b: string): number {
  const [a1, a2] = viewNumbers(a);
  const [b1, b2] = viewNumbers(b);
  if (a1 !== b1) return a1 < b1 ? -1 : 1;
  return a2 === b2 ? 0 : a2 < b2 ? -1 : 1;
}

function viewNumbers(view: string): [bigint, bigint] {
  const match = /^(\d+):(\d+)$/.exec(view);
  return match ? [BigInt(match[1] ?? 0), BigInt(match[2] ?? 0)] : [-1n, -1n];
}
