import { matchesText } from '../check/identities.ts';
import { objectAt, objectsAt, objectsIn, textAt } from '../check/walk.ts';
import { isObject, type JsonObject } from '../model/json.ts';
import { type Asked, matchesHeader } from './match-route.ts';

export interface RbacDecision {
  readonly allow: boolean;
  /** The policy that lets it in; undefined if none does. */
  readonly policy: string | undefined;
}

/** What the RBAC filter of a listener says to a caller; undefined if the listener has none. */
export function decideRbac(listener: JsonObject, caller: string, asked: Asked): RbacDecision | undefined {
  for (const { object } of objectsIn(listener)) {
    if (!textAt(object, '@type')?.endsWith('.RBAC')) continue;
    const policies = objectAt(object, 'rules', 'policies') ?? {};
    const policy = Object.entries(policies).find(
      ([, each]) =>
        isObject(each) &&
        objectsAt(each as JsonObject, 'principals').some((one) => isCaller(one, caller)) &&
        objectsAt(each as JsonObject, 'permissions').some((one) => isPermitted(one, asked)),
    )?.[0];
    // The mesh writes ALLOW, which Envoy leaves out of a dump as the default.
    const denies = textAt(objectAt(object, 'rules'), 'action') === 'DENY';
    return { allow: denies ? policy === undefined : policy !== undefined, policy };
  }
  return undefined;
}

function isCaller(principal: JsonObject, caller: string): boolean {
  if (principal.any === true) return true;
  const name = objectAt(principal, 'authenticated', 'principal_name');
  return name !== undefined && matchesText(name, caller);
}

function isPermitted(permission: JsonObject, asked: Asked): boolean {
  if (permission.any === true) return true;
  const path = objectAt(permission, 'url_path', 'path');
  if (path !== undefined) return matchesText(path, asked.path.split('?')[0] ?? '');
  const header = objectAt(permission, 'header');
  return (
    header !== undefined &&
    matchesHeader(header, {
      ...asked.headers,
      ':method': asked.method,
      ':path': asked.path,
      ':authority': asked.authority,
    })
  );
}
