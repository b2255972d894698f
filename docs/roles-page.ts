import { leastRole } from '#services/security/authorize/role-table.ts';
import { type PersonRole, personRoles } from '#services/security/directory/roles.ts';

const introduction = `# Roles
<!-- Made by \`npm run docs\` from services/security/authorize/role-table.ts; change that. -->
What a person may administer goes by roles, which \`sallyport users add\` and \`sallyport users set\` give with
\`--roles\`. Each role may do what those above it in the table may, too; without one nobody sees more than what is his own.
An operator's certificate (\`sallyport\` on the mesh's own machine) may do all of it, and what is in no row.

A role is read for each call: taking it away counts at once. People call through an edge that lets administrators in
(\`edge.admin_api\` in \`envoy/mesh.yaml\`), after \`sallyport login\`; whoever lacks the role is told \`CALLER_NOT_ALLOWED\`,
and which role it takes. Beyond the table, by what is asked for: roles are given and taken by a security officer; a user is changed by
whoever has his role or a higher one; a work item is answered by whomever its task names, whatever role that is (the
row of WorkItemService is about everybody's items); everybody's sessions at once are ended by an operator or a security officer.
With \`roles.twoWays\` of the security pods the role named there and those above it count only for who has logged in by two
ways: without that there is what the roles below it may, and for the rest \`STEP_UP_NEEDED\`.
`;

/** docs/ROLES.md */
export function rolesPage(): string {
  const rows = personRoles.map((role) => `| \`${role}\` | ${methodsOf(role).join('<br>')} |`);
  return [introduction, '| role | may call |', '| --- | --- |', ...rows, ''].join('\n');
}

/** By service, in the order of the table. */
function methodsOf(role: PersonRole): string[] {
  const services = new Map<string, string[]>();
  for (const [path, least] of Object.entries(leastRole)) {
    if (least !== role) continue;
    const [service = '', method = ''] = path.split('/');
    const name = service.split('.').at(-1) ?? service;
    services.set(name, [...(services.get(name) ?? []), method]);
  }
  return [...services].map(([name, methods]) => `${name}: ${methods.join(', ')}`);
}
