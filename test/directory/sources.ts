/** The contract of sources, as an operator calls it at a security pod. */
import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  type SourceSettingsSchema,
  Sources,
  SyncKind,
  type SyncRun,
  SyncState,
} from '#gen/sallyport/directory/v1/sources_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { as } from '../security-bench.ts';
import { groups, people } from './company.ts';
import type { SlapdServer } from './slapd.ts';

export type SettingsInit = MessageInitShape<typeof SourceSettingsSchema>;

export const sourcesAt = (connectSocket: string): GrpcClient<typeof Sources> =>
  createGrpcClient(Sources, {
    address: `unix:${connectSocket}`,
    defaultDeadlineMs: 60_000,
    metadata: as('operator', 'alice'),
  });

/** Settings for a slapd; only synchronised when asked to. */
export const settingsFor = (slapd: SlapdServer, more: SettingsInit = {}): SettingsInit => ({
  urls: [slapd.ldaps],
  caPem: slapd.caPem,
  bindDn: slapd.admin.dn,
  usersBase: people,
  groupsBase: groups,
  precedence: 100,
  maxRemovalPercent: 5,
  fullEverySeconds: 86_400,
  timeoutMs: 10_000,
  pageSize: 500,
  ...more,
});

export const put = (
  client: GrpcClient<typeof Sources>,
  name: string,
  settings: SettingsInit,
  password: string,
  revision = 0,
) => client.putSource({ requestKey: randomUUID(), name, settings, password, revision });

const over: readonly SyncState[] = [SyncState.DONE, SyncState.HELD, SyncState.FAILED, SyncState.CANCELLED];

export interface SyncOrder {
  readonly kind?: SyncKind;
  readonly dryRun?: boolean;
  readonly confirm?: string;
}

/** Orders a synchronisation and waits for its end. */
export async function sync(
  client: GrpcClient<typeof Sources>,
  source: string,
  order: SyncOrder = {},
  timeoutMs = 120_000,
): Promise<SyncRun> {
  const { kind = SyncKind.UNSPECIFIED, dryRun = false, confirm = '' } = order;
  const { id } = await client.startSync({ requestKey: randomUUID(), source, kind, dryRun, confirm });
  return ended(client, id, timeoutMs);
}

export const ended = (
  client: GrpcClient<typeof Sources>,
  id: string,
  timeoutMs = 120_000,
): Promise<SyncRun> =>
  waitFor(
    async () => {
      const { run } = await client.getSync({ id });
      return run !== undefined && over.includes(run.state) && run;
    },
    { timeoutMs, everyMs: 100, what: 'the synchronisation to end' },
  );

/** Some of a run's figures, by name. */
export const counts = ({ state, adds, changes, disables, removes, problems }: SyncRun) => ({
  state: SyncState[state],
  adds,
  changes,
  disables,
  removes,
  problems,
});
