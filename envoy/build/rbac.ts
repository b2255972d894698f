import { rolePrefix } from '#compose/topology/query.ts';
import type { Role } from '#compose/topology/types.ts';
import {
  access,
  adminMethods,
  agentCommanders,
  agentReaders,
  backendCallers,
  type Method,
  mysqlCallers,
  type ServingRole,
  scim,
} from '../model/access.ts';
import { type Extension, extension, type JsonObject } from '../model/json.ts';
import type { BuildContext } from './context.ts';

interface Policy {
  readonly role: Role;
  readonly permissions: readonly JsonObject[];
}

const anything: readonly JsonObject[] = [{ any: true }];

/** A serving role's filter: each caller's role may use its own methods, everybody else nothing. */
export const methodRbac = (ctx: BuildContext, serving: ServingRole): Extension =>
  httpRbac(
    ctx,
    Object.entries(access[serving]).map(([role, methods]) => ({
      role: role as Role,
      permissions: [
        ...methods,
        ...(role === 'edge' && serving === 'security' ? edgeExtras(ctx) : []),
      ].flatMap(permissionsFor),
    })),
  );

/** A backend's filter: proxies and gateways may send any request. */
export const backendRbac = (ctx: BuildContext): Extension =>
  httpRbac(
    ctx,
    backendCallers.map((role) => ({ role, permissions: anything })),
  );

/** A db-agent's filter: most may read, operators may command. */
export const agentRbac = (ctx: BuildContext): Extension =>
  httpRbac(ctx, [
    ...agentReaders.map((role) => ({
      role,
      permissions: [{ header: { name: ':method', string_match: { exact: 'GET' } } }],
    })),
    ...agentCommanders.map((role) => ({ role, permissions: anything })),
  ]);

/** MySQL's filter, before any byte reaches mysqld. */
export const mysqlRbac = (ctx: BuildContext): Extension =>
  extension('envoy.filters.network.rbac', 'envoy.extensions.filters.network.rbac.v3.RBAC', {
    stat_prefix: 'mysql.',
    rules: rules(
      ctx,
      mysqlCallers.map((role) => ({ role, permissions: anything })),
    ),
  });

/** What edges let through besides, if mesh.yaml says so. */
const edgeExtras = ({ model: { edge } }: BuildContext): readonly Method[] => [
  ...(edge.admin_api ? adminMethods : []),
  ...(edge.scim ? [scim] : []),
];

const permissionsFor = ({ path, below }: Method): JsonObject[] => [
  { url_path: { path: { exact: path } } },
  ...(below ? [{ url_path: { path: { prefix: `${path}/` } } }] : []),
];

const httpRbac = (ctx: BuildContext, policies: readonly Policy[]): Extension =>
  extension('envoy.filters.http.rbac', 'envoy.extensions.filters.http.rbac.v3.RBAC', {
    rules: rules(ctx, policies),
  });

const rules = ({ topology }: BuildContext, policies: readonly Policy[]): JsonObject => ({
  action: 'ALLOW',
  policies: Object.fromEntries(
    policies.map(({ role, permissions }) => [
      role,
      {
        permissions,
        principals: [{ authenticated: { principal_name: { prefix: rolePrefix(topology, role) } } }],
      },
    ]),
  ),
});
