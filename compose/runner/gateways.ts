import { isAbsolute } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { explainIssues } from '#kernel/config/explain-issues.ts';
import {
  domainName,
  type GatewayTarget,
  gatewayTarget,
  placeholdersIn,
} from '#services/gateway/target-schema.ts';
import { readGiven } from './given-file.ts';
import type { SitesFile } from './sites.ts';

/** What `sallyport up --gateways FILE` reads. */
export const gatewaysFile = z.strictObject({
  groups: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?$/, 'must be 1 to 30 of a-z, 0-9 and -')
          .describe(
            'By which resources (`gatewayGroup`) and tasks name it; its pods are `gw-<name>-0` and so on.',
          ),
        forest: domainName().describe('The one domain or forest that it serves.'),
        pods: z
          .int()
          .min(1)
          .max(9)
          .default(2)
          .describe('Gateways in it; another takes over from one that is lost.'),
        dial: z
          .enum(['in', 'out'])
          .default('in')
          .describe(
            'out: its gateways call the proxies, for networks that let nobody in; resources only, no tasks.',
          ),
        site: z
          .string()
          .max(15)
          .optional()
          .describe(
            'Name of the site that it stands at, of a mesh with two (sites.yaml): reached from there only. Without it its pods stand at the master, and both reach it.',
          ),
        targets: z.array(gatewayTarget).min(1).max(1000).describe('What it reaches; see below.'),
      }),
    )
    .max(32),
});
export type GatewayGroup = z.output<typeof gatewaysFile>['groups'][number];

/** The text of a gateways.yaml. @throws CONFIG_INVALID when it cannot be read */
export const readGateways = (file: string): string => readGiven(file, '--gateways');

/** The groups of a gateways.yaml. @throws CONFIG_INVALID naming what is wrong, and what would be right */
export function parseGateways(text: string, source: string): readonly GatewayGroup[] {
  let input: unknown;
  try {
    input = parse(text) ?? {};
  } catch (cause) {
    throw invalid(`${source} is not YAML`, 'docs/CONFIG.md has an example', cause);
  }
  const result = gatewaysFile.safeParse(input, { reportInput: false });
  if (!result.success) {
    const message = explainIssues(gatewaysFile, input, result.error.issues, [
      { name: source, values: input },
    ]);
    throw invalid(message, 'docs/CONFIG.md has every field');
  }
  const { groups } = result.data;
  const owners = new Map<string, string>();
  const names = new Set<string>();
  for (const group of groups) {
    if (names.has(group.name))
      throw invalid(`two groups are named "${group.name}"`, 'put their targets into one, or rename one');
    names.add(group.name);
    for (const target of group.targets) {
      const other = owners.get(target.name);
      if (other !== undefined) {
        throw invalid(
          `target "${target.name}" stands in group "${other}" and in group "${group.name}"`,
          'a target belongs to one group: remove it from the other, or rename one of the two',
        );
      }
      owners.set(target.name, group.name);
      checkForest(target, group);
      checkTarget(target);
    }
  }
  return groups;
}

/** @throws CONFIG_INVALID for a group at a site that there is not */
export function checkGatewaySites(groups: readonly GatewayGroup[], { master, slave }: SitesFile): void {
  const names = [master.name, ...(slave ? [slave.name] : [])];
  for (const { name, site } of groups) {
    if (site === undefined || names.includes(site)) continue;
    throw invalid(
      `group "${name}" stands at site "${site}", which this mesh has not`,
      `sites are: ${names.join(', ')}; \`sallyport up --sites FILE\` gives others`,
    );
  }
}

function checkForest({ name, domain }: GatewayTarget, group: GatewayGroup): void {
  const { forest } = group;
  if (domain === undefined || domain === forest || domain.endsWith(`.${forest}`)) return;
  throw invalid(
    `target "${name}" is of ${domain}, and group "${group.name}" serves the forest ${forest}: a group serves one forest`,
    `put it into a group of its own, with forest: ${domain}`,
  );
}

/** What a schema cannot see. */
function checkTarget(target: GatewayTarget): void {
  const { name } = target;
  if (target.kind === 'ldap') {
    const { protocol, hostname } = new URL(target.url);
    const encrypted = protocol === 'ldaps:' || target.startTls;
    if (!encrypted && !/^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) {
      throw invalid(
        `target "${name}": ${target.url} is not encrypted, and not this machine`,
        'use ldaps://, or startTls: true',
      );
    }
    if (target.bindDn !== '' && target.passwordFile === undefined) {
      throw invalid(`target "${name}" has a bindDn and no passwordFile`, 'name the file with its password');
    }
  }
  if (target.kind === 'command') {
    const [program = ''] = target.argv;
    if (!isAbsolute(program) || program.includes('{')) {
      throw invalid(
        `target "${name}": the program "${program}" is no absolute path`,
        'name it as /usr/bin/...',
      );
    }
    const used = new Set(placeholdersIn(target.argv));
    const described = new Set(Object.keys(target.parameters));
    for (const each of [...used].filter((name) => !described.has(name))) {
      throw invalid(
        `target "${name}": parameter {${each}} has no pattern`,
        `add it to parameters, as in ${each}: '[a-z0-9]+'`,
      );
    }
    for (const each of [...described].filter((name) => !used.has(name))) {
      throw invalid(
        `target "${name}": parameter ${each} is not in argv`,
        `write {${each}} where it is to stand`,
      );
    }
  }
}

const invalid = (message: string, hint: string, cause?: unknown): SallyportError =>
  new SallyportError('CONFIG_INVALID', { message, hint, cause });
