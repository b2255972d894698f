import type { z } from 'zod';
import { gatewaysFile } from '#compose/runner/gateways.ts';
import { sitesFile } from '#compose/runner/sites.ts';
import { describeSchema, type FieldDescription } from '#kernel/config/describe-schema.ts';
import { formatBytes, formatDuration } from '#kernel/config/primitives.ts';
import { rootKeySchema } from '#kernel/crypto/root-key-providers.ts';
import { agentConfig } from '#services/db-agent/config.ts';
import { gatewayConfig } from '#services/gateway/config.ts';
import { gatewayTarget } from '#services/gateway/target-schema.ts';
import { proxyConfig } from '#services/proxy/config.ts';
import { securityConfig } from '#services/security/config.ts';
import { workerConfig } from '#services/tasks/config.ts';
import { targetKinds } from '#services/tasks/connectors/targets.ts';

const introduction = `# Configuration
<!-- Made by \`npm run docs\` from the schemas; change those. -->
Each process reads one JSON or YAML file, \`--config FILE\`, once, when it starts. A wrong value (security and proxy
pods: an unknown field, too) is refused with \`CONFIG_INVALID\`, which names the field, its rule and where the value
came from. Durations are milliseconds or text such as \`250ms\`, \`10s\`, \`5m\`, \`2h\`, \`7d\`; sizes are bytes or \`512B\`, \`64KiB\`, \`10MB\`.

\`sallyport up\` writes these files itself, to \`pods/<pod>/config.json\` in the state folder, anew at each start: on
one machine there is nothing to edit. They matter to whoever runs pods in another way. The sidecars' knobs (retries,
health checks, limits, TLS) stand in [\`envoy/mesh.yaml\`](../envoy/mesh.yaml) with their meaning and range; Envoy
fields without a knob are reached by [patches](../envoy/patches/README.md). Environment variables that the command
line knows are in [OPERATIONS.md](OPERATIONS.md).

A **policy** (who may reach what) is data, not configuration: it lies in the database, with a version. The embedded
mesh begins with [\`compose/demo/policy.yaml\`](../compose/demo/policy.yaml), which has comments;
[\`core/policy/document.ts\`](../core/policy/document.ts) has every field.
`;

const gatewaysText = `\`sallyport up --gateways FILE\` ([\`compose/runner/gateways.ts\`](../compose/runner/gateways.ts)): which groups of
gateways there are, and what each reaches. It is kept in the state folder for the next start; a file with \`groups: []\`
ends them. Refused with the reason: a target of another forest than its group's, a target in two groups, a command
whose parameters have no pattern. A resource of the policy names a group (\`gatewayGroup\`) and, as \`backend\`, one of its
HTTP targets; the other kinds are for tasks.

\`\`\`yaml
groups:
  - name: hr
    forest: corp.example
    targets:
      - {name: payroll, kind: http, url: "https://payroll.hr.corp.example", domain: hr.corp.example}
      - {name: directory, kind: ldap, url: "ldaps://dc1.corp.example", bindDn: "cn=sallyport,dc=corp,dc=example", passwordFile: /etc/sallyport/dc1}
      - {name: old-host, kind: tcp, host: host1.corp.example, port: 2323, limits: {idle: 10m}}
      - {name: lock-account, kind: command, argv: [/usr/local/bin/lock, "{user}"], parameters: {user: "[a-z0-9.]{1,64}"}}
\`\`\`
`;

const sitesText = `\`sallyport up --sites FILE\` ([\`compose/runner/sites.ts\`](../compose/runner/sites.ts)): a second site. Security tier
and database stay at the master; the slave has edges, proxies and backends of its own. The file is kept in the state folder
for the next start; an empty one (\`{}\`) ends the second site. [OPERATIONS.md](OPERATIONS.md) tells how sites are used.

\`\`\`yaml
master: {name: zurich}
slave:
  name: geneva
  hosts:
    - {name: geneva-0, address: 10.20.0.11}
    - {name: geneva-1, address: 10.20.0.12}
  backends: [branch]      # a resource of the policy names it as its backend
  rideOut: 30s
\`\`\`
`;

const targetsText = `\`sallyport up --targets FILE\` gives workers a targets.yaml ([\`compose/runner/targets.ts\`](../compose/runner/targets.ts)):
names of what tasks change outside, each of one of these shapes, by \`kind\`. It is kept in the state folder for the next
start; an empty file ends them. Workers reach them directly. How each deduplicates stands in
[ARCHITECTURE.md](ARCHITECTURE.md#work-that-survives).

\`\`\`yaml
hq: {kind: ldap, urls: ["ldaps://ldap1.example", "ldaps://ldap2.example"], bindDn: "cn=writer,dc=example", passwordFile: /etc/sallyport/hq}
tickets: {kind: http, url: "https://tickets.example/hook", tokenFile: /etc/sallyport/tickets, deduplicates: true}
mail: {kind: mail, host: mail.example, from: sallyport@example, user: sallyport, passwordFile: /etc/sallyport/mail}
\`\`\`
`;

interface Section {
  readonly title: string;
  readonly text: string;
  readonly schemas: readonly { readonly schema: z.core.$ZodType; readonly path?: string }[];
}

const sections: readonly Section[] = [
  {
    title: 'Security pod',
    text: '[`services/security/config.ts`](../services/security/config.ts). A field can also be set by an environment variable, which wins over the file: `SALLYPORT_SECURITY_` and the path, as in `SALLYPORT_SECURITY_LEASES__DURATION_MS` for `leases.durationMs`. `sallyport up --security-config FILE` gives all security pods of a mesh a security.yaml with `oidc`, `roles`, `policy`, `attestation`, `sources`, `sessions` or `logLevel` ([`compose/runner/security-settings.ts`](../compose/runner/security-settings.ts)); it is kept in the state folder for the next start, an empty file ends it.',
    schemas: [{ schema: securityConfig }],
  },
  {
    title: 'Root key of a security pod',
    text: '`rootKey` has one of these shapes, by `from`.',
    schemas: rootKeySchema.options.map((schema) => ({ schema, path: 'rootKey' })),
  },
  {
    title: 'Proxy pod',
    text: '[`services/proxy/config.ts`](../services/proxy/config.ts).',
    schemas: [{ schema: proxyConfig }],
  },
  {
    title: 'gateways.yaml',
    text: gatewaysText,
    schemas: [{ schema: gatewaysFile }],
  },
  {
    title: 'Targets of gateways',
    text: '`targets[]` have one of these shapes, by `kind`.',
    schemas: gatewayTarget.options.map((schema) => ({ schema, path: 'targets[]' })),
  },
  {
    title: 'sites.yaml',
    text: sitesText,
    schemas: [{ schema: sitesFile }],
  },
  {
    title: 'Gateway pod',
    text: '[`services/gateway/config.ts`](../services/gateway/config.ts); `sallyport up` makes it from gateways.yaml.',
    schemas: [{ schema: gatewayConfig }],
  },
  {
    title: 'Worker pod',
    text: '[`services/tasks/config.ts`](../services/tasks/config.ts).',
    schemas: [{ schema: workerConfig }],
  },
  {
    title: 'Targets of tasks',
    text: targetsText,
    schemas: targetKinds.map((schema) => ({ schema, path: 'targets.NAME' })),
  },
  {
    title: 'Database agent',
    text: '[`services/db-agent/config.ts`](../services/db-agent/config.ts). The settings of mysqld that do not depend on these are in [`services/db-agent/my-cnf.ts`](../services/db-agent/my-cnf.ts).',
    schemas: [{ schema: agentConfig }],
  },
];

/** The text of docs/CONFIG.md. */
export function configPage(): string {
  return [introduction, ...sections.map(sectionText)].join('\n');
}

function sectionText({ title, text, schemas }: Section): string {
  const rows = schemas.flatMap(({ schema, path }) => describeSchema(schema, path).map(row));
  const head = ['| Field | Type | Range | Default | Meaning |', '| --- | --- | --- | --- | --- |'];
  return [`## ${title}`, text, '', ...head, ...rows, ''].join('\n');
}

function row(field: FieldDescription): string {
  const fallback = field.default ?? (field.optional ? 'none' : 'must be given');
  const cells = [`\`${field.path}\``, typeOf(field), rangeOf(field), fallback, field.description ?? ''];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function typeOf({ type }: FieldDescription): string {
  const kinds = [...new Set(type.split(' or '))];
  // Shapes have a section of their own.
  if (kinds[0] === 'object') return 'see below';
  return kinds.join(' or ').replace(/^one of ([^,]+)$/, '`$1`');
}

function rangeOf({ type, min, max }: FieldDescription): string {
  const show = (value: number): string => {
    if (type === 'duration') return formatDuration(value);
    return type === 'bytes' ? formatBytes(value) : String(value);
  };
  if (min !== undefined && max !== undefined) return `${show(min)} to ${show(max)}`;
  if (min !== undefined) return `from ${show(min)}`;
  return max === undefined ? '' : `to ${show(max)}`;
}
