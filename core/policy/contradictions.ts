/** What a schema cannot see: things that contradict each other, or that would not mean what they seem to. */
import { limits, type PolicyDocument, type ResourceDocument, type RuleDocument } from './document.ts';
import { inverted } from './fields.ts';
import type { PolicyIssue } from './issue.ts';
import { prefixKey } from './path.ts';

export function findContradictions(document: PolicyDocument): PolicyIssue[] {
  const issues: PolicyIssue[] = [];
  const names = new Map<string, string>();
  const places = new Map<string, string>();
  const total = document.resources.reduce((sum, { rules }) => sum + rules.length, 0);
  if (total > limits.rules)
    issues.push({ path: 'resources', problem: `have more than ${limits.rules} rules`, hint: 'merge rules' });

  for (const [index, { minVersion, maxVersion }] of (document.apps ?? []).entries()) {
    if (inverted(minVersion, maxVersion))
      issues.push({
        path: `apps[${index}].maxVersion`,
        problem: 'is lower than minVersion',
        hint: 'exchange them',
      });
  }
  for (const [index, resource] of document.resources.entries()) {
    const path = `resources[${index}]`;
    const twin = names.get(resource.name);
    if (twin)
      issues.push({ path: `${path}.name`, problem: `is that of ${twin}`, hint: 'give each its own name' });
    names.set(resource.name, path);
    for (const place of placesOf(resource, document.ignorePathCase)) {
      const other = places.get(place);
      if (other)
        issues.push({
          path,
          problem: `has the host and path prefix of ${other}`,
          hint: 'put the rules of both into one resource, or give one another prefix',
        });
      places.set(place, path);
    }
    issues.push(...inRules(resource.rules, `${path}.rules`));
  }
  for (const [index, { name, hosts }] of document.resources.entries()) {
    for (const [at, host] of hosts.entries()) {
      const other = names.get(host);
      if (other && host !== name)
        issues.push({
          path: `resources[${index}].hosts[${at}]`,
          problem: `is also the name of ${other}`,
          hint: 'a phone may ask for a resource by name: rename one of them',
        });
    }
  }
  return issues;
}

/** Where requests find it; resources without a host share the space of their backend. */
function placesOf({ hosts, pathPrefix, backend }: ResourceDocument, ignoreCase: boolean): string[] {
  const key = prefixKey(pathPrefix, ignoreCase);
  const spaces = hosts.length > 0 ? [...new Set(hosts)] : [`backend ${backend}`];
  return spaces.map((space) => `${space} ${key}`);
}

function inRules(rules: readonly RuleDocument[], base: string): PolicyIssue[] {
  const issues: PolicyIssue[] = [];
  const names = new Set<string>();
  for (const [index, rule] of rules.entries()) {
    const at = (path: string, problem: string, hint: string) =>
      issues.push({ path: `${base}[${index}].${path}`, problem, hint });
    if (names.has(rule.name))
      at('name', 'is used twice in this resource', 'grants name the rule: rename one');
    names.add(rule.name);
    if (rule.effect === 'allow' && !rule.groups && !rule.users)
      at('groups', 'is missing', 'say whom the rule allows: groups, users, or groups: ["*"] for everybody');
    if (rule.effect === 'deny' && rule.minAuthLevel !== undefined)
      at('minAuthLevel', 'makes no sense in a deny rule', 'put it into the allow rule');
    for (const [i, app] of (rule.apps ?? []).entries()) {
      if (inverted(app.minVersion, app.maxVersion))
        at(`apps[${i}].maxVersion`, 'is lower than minVersion', 'exchange them');
      if (rule.effect === 'deny' && app.blockedVersions)
        at(
          `apps[${i}].blockedVersions`,
          'would exempt these versions from a deny rule',
          'to deny one version, set minVersion and maxVersion to it',
        );
    }
    for (const [i, { from, to }] of (rule.times ?? []).entries()) {
      if (from === to) at(`times[${i}].to`, 'equals from', 'for the whole day leave out both');
    }
  }
  return issues;
}
