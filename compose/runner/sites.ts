import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { edgeUrlsOf, podsOf } from '#compose/topology/query.ts';
import type { Pod, PodRole, Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { explainIssues } from '#kernel/config/explain-issues.ts';
import { duration } from '#kernel/config/primitives.ts';

const siteName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?$/, 'must be 1 to 15 of a-z, 0-9 and -');
const clusterName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/, 'must be 1 to 20 of a-z, 0-9 and -');
const podsThere = (least: number, usual: number) => z.int().min(least).max(9).default(usual);

/** What `sallyport up --sites FILE` reads. */
export const sitesFile = z.strictObject({
  master: z
    .strictObject({
      name: siteName.default('master').describe('Its name in profiles (`anna@master`) and policies.'),
    })
    .prefault({})
    .describe('The site of the security tier and the database group: all pods that stand nowhere else.'),
  slave: z
    .strictObject({
      name: siteName
        .default('slave')
        .describe(
          'Its name in profiles (`anna@slave`) and policies (`site: slave`), and in names of its pods.',
        ),
      hosts: z
        .array(
          z.strictObject({
            name: z.string().min(1).max(64).describe('Unique among the hosts of both sites.'),
            address: z.union([z.ipv4(), z.ipv6()]).describe('On which its pods listen.'),
            netns: z.string().optional().describe('File of the network namespace in which they run.'),
          }),
        )
        .min(1)
        .max(9)
        .prefault([{ name: 'slave-0', address: '127.0.0.1' }])
        .describe('Its failure domains; pod n of a tier lives on host n mod length.'),
      // With those of the master no more than an activation string holds.
      edges: z
        .int()
        .min(1)
        .max(7)
        .default(2)
        .describe('Edges, which relay to the proxies of this site only.'),
      proxies: podsThere(1, 2).describe('Proxies, which reach the backends of this site only.'),
      backends: z
        .array(clusterName)
        .max(50)
        .default(['branch'])
        .describe('Clusters of backends that have pods here. One of the master may be among them.'),
      backendPods: podsThere(1, 1).describe('Pods of each.'),
      replica: z
        .boolean()
        .default(true)
        .describe('A database node here, which follows the group of the master and can take over from it.'),
      rideOut: duration({ min: 0, max: 110_000 })
        .default(20_000)
        .describe(
          'How long a cut of the line to the master is not to be noticed by those who are at work. Leases here last 10 s longer; then nothing is relayed.',
        ),
    })
    .optional()
    .describe('A second site; without it there is one site only.'),
});
export type SitesFile = z.output<typeof sitesFile>;
export type SlaveSite = NonNullable<SitesFile['slave']>;

/**
 * Milliseconds from the moment a lease is asked for until a proxy has asked for the next one and has the answer: it
 * asks 6 s later at the latest (services/proxy/lease.ts), and looks twice a second.
 */
const renewedWithinMs = 10_000;

/** Milliseconds of a lease at the slave. */
export const leaseMsOf = ({ rideOut }: Pick<SlaveSite, 'rideOut'>): number => rideOut + renewedWithinMs;

/** The text of a sites.yaml. @throws CONFIG_INVALID when it cannot be read */
export function readSites(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalid(`${file} cannot be read: ${why}`, '--sites names a sites.yaml', cause);
  }
}

/** @throws CONFIG_INVALID naming what is wrong */
export function parseSites(text: string, source = 'sites.yaml'): SitesFile {
  let input: unknown;
  try {
    input = parse(text) ?? {};
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split('\n', 1)[0] : String(cause);
    throw invalid(`${source} is not YAML: ${why}`, 'docs/CONFIG.md has an example', cause);
  }
  const result = sitesFile.safeParse(input, { reportInput: false });
  if (!result.success) {
    const named = [{ name: source, values: input }];
    const message = explainIssues(sitesFile, input, result.error.issues, named);
    throw invalid(message, 'docs/CONFIG.md has every field');
  }
  const { master, slave } = result.data;
  if (slave?.name === master.name)
    throw invalid(`both sites are named "${master.name}"`, 'profiles tell them apart by their names');
  const names = slave?.hosts.map((host) => host.name) ?? [];
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw invalid(`two hosts are named ${twice}`, 'give each host a name of its own');
  return result.data;
}

/** What pods are told of sites; empty when there is only one. The master comes first. */
export function sitesIn(
  t: Topology,
  { master, slave }: SitesFile,
  groups: readonly { readonly name: string; readonly site?: string | undefined }[] = [],
): {
  readonly name: string;
  readonly edgeUrls: readonly string[];
  readonly proxies: readonly string[];
  readonly backends: readonly string[];
  /** Groups of gateways that are reached from there only. */
  readonly gatewayGroups: readonly string[];
  readonly leaseMs: number | undefined;
}[] {
  if (slave === undefined) return [];
  return (
    [
      { name: master.name, site: undefined },
      { name: slave.name, site: slave.name },
    ]
      // Whoever names no site means the master.
      .sort((a, b) => Number(b.site === t.master) - Number(a.site === t.master))
      .filter(({ site }) => t.pods.some((pod) => pod.role === 'edge' && pod.site === site))
      .map(({ name, site }) => {
        const here = (role: PodRole): Pod[] => podsOf(t, role).filter((pod) => pod.site === site);
        return {
          name,
          edgeUrls: edgeUrlsOf({ pods: here('edge') }),
          proxies: here('proxy').map((pod) => pod.name),
          backends: [
            ...new Set(here('backend').flatMap(({ backend }) => (backend ? [backend.cluster] : []))),
          ],
          gatewayGroups: groups.flatMap((group) => (group.site === name ? [group.name] : [])),
          leaseMs: site === t.master ? undefined : leaseMsOf(slave),
        };
      })
  );
}

const invalid = (message: string, hint: string, cause?: unknown): SallyportError =>
  new SallyportError('CONFIG_INVALID', { message, hint, cause });
