import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Attribute, Change, type Client } from 'ldapts';
import { cacheDirOf } from '#compose/parts/options.ts';
import { type Sources, type SyncRun, SyncState } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { type DbGroup, startDbGroup } from '../../db-group.ts';
import { companyLdif } from '../../directory/company.ts';
import { base, type SlapdServer, startSlapd } from '../../directory/slapd.ts';
import { put, type SettingsInit, settingsFor, sourcesAt } from '../../directory/sources.ts';
import { keptClients } from '../../kept-clients.ts';
import { type OpenIdProvider, openIdProvider } from '../../open-id-provider.ts';
import { podAt, type SecurityPods, securityPods } from '../../security-pods.ts';

export const users = 50_000;
export const groupCount = 2000;
const membersPerGroup = 100;

/** An account that the directory has limits for, as most have. */
export const limited = { dn: `cn=reader,${base}`, password: 'reader password' };

/** A large company's OpenLDAP, a database group of three nodes, two security pods. */
export interface World {
  readonly slapd: SlapdServer;
  readonly tier: SecurityPods;
  readonly sources: GrpcClient<typeof Sources>;
  /** By whom users log in that are pushed. */
  readonly provider: OpenIdProvider;
  /** May change the directory. */
  readonly directory: Client;
  /** Changes settings of the source `hq`. */
  set(more: SettingsInit, password?: string): Promise<void>;
  replace(dn: string, attribute: string, ...values: string[]): Promise<void>;
  /** The most memory that any security pod has had so far, MiB. */
  peakMib(): number;
  close(): Promise<void>;
}

export async function makeWorld(say: (line: string) => void): Promise<World> {
  const closing: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  try {
    say(`loading an OpenLDAP with ${users} users and ${groupCount} groups`);
    const reader = `dn: ${limited.dn}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: ${limited.password}\n\n`;
    const slapd = await startSlapd({
      ldif: companyLdif({ users, groups: groupCount, membersPerGroup }) + reader,
      database: [`limits dn.exact="${limited.dn}" size.soft=1000 size.hard=1000 size.prtotal=1000`],
    });
    closing.push(() => slapd.close());
    const group: DbGroup = await startDbGroup();
    closing.push(() => group.close());
    await group.online();
    const provider = await openIdProvider();
    closing.push(() => provider.close());
    const tier = await securityPods(group, {
      names: ['sec-0', 'sec-1'],
      users: [{ name: 'local', password: 'a local user', groups: [] }],
      policy: { resources: [] },
      config: { oidc: [{ issuer: provider.issuer, clientId: provider.client.clientId }] },
    });
    closing.push(() => tier.close());
    // As the runner starts them.
    const compileCache = join(cacheDirOf({ env: process.env, progress: say }), 'node-compile-cache');
    await Promise.all(tier.pods.map((pod) => pod.start({ NODE_COMPILE_CACHE: compileCache })));
    const { keep, close: closeClients } = keptClients();
    closing.push(closeClients);
    const sources = keep(sourcesAt(podAt(tier, 0).connectSocket));
    const directory = await slapd.client();
    closing.push(() => directory.unbind());
    const settings = (more: SettingsInit = {}) =>
      settingsFor(slapd, { disabledAttribute: 'employeeType', disabledValues: ['gone'], ...more });
    await put(sources, 'hq', settings(), slapd.admin.password);
    return {
      slapd,
      tier,
      sources,
      provider,
      directory,
      set: async (more, password = slapd.admin.password) => {
        const { source } = await sources.getSource({ name: 'hq' });
        await put(sources, 'hq', settings(more), password, source?.revision);
      },
      replace: (dn, attribute, ...values) =>
        directory.modify(
          dn,
          new Change({ operation: 'replace', modification: new Attribute({ type: attribute, values }) }),
        ),
      peakMib: () => Math.max(...tier.pods.map((pod) => peakOf(pod.pid()))),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The kernel's own high-water mark. */
function peakOf(pid: number | undefined): number {
  const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Math.round(Number(kib) / 1024);
}

/** Milliseconds from the order to the end, by the database's clock. */
export function msOf({ createdAt, endedAt }: SyncRun): number {
  if (createdAt === undefined || endedAt === undefined) return Number.NaN;
  const ms = (at: { seconds: bigint; nanos: number }): number => Number(at.seconds) * 1000 + at.nanos / 1e6;
  return Math.round(ms(endedAt) - ms(createdAt));
}

export const stateOf = ({ state, errorReason }: SyncRun): string =>
  `${SyncState[state]} ${errorReason}`.trim();
