import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { Bound } from '#kernel/crypto/bound.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { PlainAnswer, PlainHttp, PlainRequest } from '#kernel/rpc/plain-http.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Feed } from '../feed/feed.ts';
import { bearerToken } from '../session/people-token.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { Limits } from '../throttle/limits.ts';
import { type ChangeContext, deleteResource, type Ended, lockSource, putResource } from './change.ts';
import { listResponse, maxBytes, maxCount, providerConfig, resourceTypes, schemas } from './discovery.ts';
import { patched } from './patch.ts';
import {
  listResources,
  memberIds,
  type Projection,
  type ResourceRow,
  readResource,
  toldResources,
  versionOf,
} from './read.ts';
import { attributesOf, isObject, type JsonObject, type Kind, kindAt, normalise, schemaOf } from './schema.ts';
import { refuseScim, scimError, scimHeaders } from './scim-error.ts';
import { type Client, clientOf } from './tokens.ts';

export interface ScimDeps {
  readonly db: Db<SecurityTables>;
  readonly feed: Pick<Feed, 'appendAll' | 'announce'>;
  readonly limits: Pick<Limits, 'scimTokens'>;
  /** Database time. */
  readonly clock: Clock;
  readonly log: Logger;
}

const prefix = '/scim/v2';
const defaultCount = 100;

/** One request, with what is needed to answer it. */
interface Asked {
  readonly request: PlainRequest;
  readonly call: CallContext;
  readonly client: Client;
  /** URL of all this, as the caller knows it. */
  readonly base: string;
  /** Below the prefix: `['Users', '<id>']`. */
  readonly path: readonly string[];
}

/**
 * Users and groups of a source, pushed by SCIM 2.0 (RFC 7643, RFC 7644): by whoever has a token of that source, and of
 * that source only. Served by every security pod; each request is one transaction.
 */
export function scimService(deps: ScimDeps): PlainHttp {
  const bound = new Bound({ inside: 4, waiting: 200, what: 'SCIM requests' });
  return {
    prefix,
    maxBytes,
    refuse: refuseScim,
    answer: async (request, call) => {
      const client = await admit(deps, call);
      const path = request.path.slice(prefix.length).split('/').filter(Boolean).map(decodePart);
      const host = /^[\w.:[\]-]+$/.test(request.authority) ? request.authority : 'localhost';
      const asked = { request, call, client, path, base: `https://${host}${prefix}` };
      return bound.run(() => answer(deps, asked), call.signal);
    },
  };
}

/** @throws CALLER_NOT_ALLOWED, TOKEN_INVALID, THROTTLED */
async function admit({ db, limits, clock }: ScimDeps, call: CallContext): Promise<Client> {
  if (!['edge', 'service', 'operator'].includes(call.caller.role)) {
    throw new SallyportError('CALLER_NOT_ALLOWED');
  }
  const address = call.remoteAddress ?? `${call.caller.role}/${call.caller.pod}`;
  limits.scimTokens.check(address);
  try {
    return await clientOf(db, bearerToken(call), clock.now(), held(call));
  } catch (error) {
    if (SallyportError.from(error).reason === 'TOKEN_INVALID') limits.scimTokens.count(address);
    throw error;
  }
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw scimError('invalidSyntax', 'the path cannot be read');
  }
}

async function answer(deps: ScimDeps, asked: Asked): Promise<PlainAnswer> {
  const { path, request, base } = asked;
  const [first = '', id] = path;
  if (path.length > 2) throw notThere();
  const kind = kindAt(first);
  const asGet = request.method === 'GET' || request.method === 'HEAD';
  if (kind === undefined) {
    const found = discovered(base, first, id);
    if (found === undefined) throw notThere();
    if (!asGet) throw wrongMethod(request);
    return ok(200, found);
  }
  if (id === undefined) {
    if (asGet) return list(deps, asked, kind, request.query);
    if (request.method === 'POST') return create(deps, asked, kind);
  } else if (id === '.search') {
    if (request.method === 'POST') return list(deps, asked, kind, searchOf(bodyOf(request)));
  } else {
    if (asGet) return get(deps, asked, kind, id);
    if (request.method === 'PUT' || request.method === 'PATCH') return change(deps, asked, kind, id);
    if (request.method === 'DELETE') return remove(deps, asked, kind, id);
  }
  throw wrongMethod(request);
}

const notThere = (): SallyportError =>
  new SallyportError('NOT_FOUND', { message: 'there is nothing at this path' });
const wrongMethod = ({ method }: PlainRequest): SallyportError =>
  new SallyportError('UNKNOWN_METHOD', { message: `${method} is not for this path` });

const ok = (status: number, body: JsonObject, headers: Record<string, string> = {}): PlainAnswer => ({
  status,
  headers: { ...scimHeaders, ...headers },
  body: JSON.stringify(body),
});

function discovered(base: string, first: string, id: string | undefined): JsonObject | undefined {
  if (first === 'ServiceProviderConfig') return id === undefined ? providerConfig(base) : undefined;
  const all =
    first === 'Schemas' ? schemas(base) : first === 'ResourceTypes' ? resourceTypes(base) : undefined;
  if (id !== undefined) return all?.find((each) => each.id === id);
  return all && listResponse(all, { totalResults: all.length, startIndex: 1 });
}

/** @throws SCIM_INVALID */
function bodyOf({ body }: PlainRequest): JsonObject {
  let read: unknown;
  try {
    read = JSON.parse(body.toString('utf8'));
  } catch {
    throw scimError('invalidSyntax', 'the body is no JSON');
  }
  if (!isObject(read)) throw scimError('invalidSyntax', 'the body is no JSON object');
  return read;
}

/** What a SearchRequest asks for, as GET would. */
function searchOf(body: JsonObject): URLSearchParams {
  const text = (value: unknown): string => {
    if (Array.isArray(value) && value.every((each) => typeof each === 'string')) return value.join(',');
    if (['string', 'number', 'boolean'].includes(typeof value)) return String(value);
    throw scimError('invalidValue', 'a search is made of text, numbers and lists of text');
  };
  return new URLSearchParams(
    Object.entries(body).map(([name, value]): [string, string] => [name, text(value)]),
  );
}

function projectionOf(query: URLSearchParams): Projection {
  const names = (name: string): Set<string> =>
    new Set(
      (query.get(name) ?? '')
        .split(',')
        .map(
          (each) =>
            each
              .trim()
              .replace(/^urn:[\w:.-]+:/i, '')
              .split('.')[0]
              ?.toLowerCase() ?? '',
        )
        .filter(Boolean),
    );
  const only = names('attributes');
  return { only: only.size === 0 ? undefined : only, without: names('excludedAttributes') };
}

async function list(deps: ScimDeps, asked: Asked, kind: Kind, query: URLSearchParams): Promise<PlainAnswer> {
  const number = (name: string, otherwise: number, least: number): number => {
    const given = query.get(name);
    if (given === null) return otherwise;
    if (!/^-?\d{1,9}$/.test(given)) throw scimError('invalidValue', `${name} is to be a whole number`);
    return Math.max(least, Number(given));
  };
  const startIndex = number('startIndex', 1, 1);
  const count = Math.min(maxCount, number('count', defaultCount, 0));
  const filter = query.get('filter') ?? '';
  const { source } = asked.client;
  const { total, resources } = await deps.db.read(async (on) => {
    const found = await listResources(on, source, kind, { filter, startIndex, count });
    const told = await toldResources(on, kind, found.rows, asked.base, projectionOf(query));
    return { total: found.total, resources: told };
  }, held(asked.call));
  return ok(200, listResponse(resources, { totalResults: total, startIndex }));
}

async function get(deps: ScimDeps, asked: Asked, kind: Kind, id: string): Promise<PlainAnswer> {
  const known = asked.call.header('if-none-match');
  return deps.db.read(async (on) => {
    const row = await readResource(on, asked.client.source, kind, id);
    if (known !== undefined && names(known, row)) {
      return { status: 304, headers: { etag: versionOf(row) }, body: '' };
    }
    return told(on, asked, kind, row, 200);
  }, held(asked.call));
}

/** Whether an If-Match or If-None-Match names this version. */
const names = (header: string, row: ResourceRow): boolean =>
  header.split(',').some((each) => ['*', versionOf(row)].includes(each.trim()));

async function told(
  on: Kysely<SecurityTables>,
  { base, request }: Asked,
  kind: Kind,
  row: ResourceRow,
  status: number,
): Promise<PlainAnswer> {
  const [resource = {}] = await toldResources(on, kind, [row], base, projectionOf(request.query));
  const location = `${base}/${kind}s/${row.id}`;
  return ok(status, resource, { etag: versionOf(row), ...(status === 201 && { location }) });
}

interface Change {
  readonly id: string;
  readonly ended: Ended;
}

/** In one transaction, the entries of the feed included; whoever's session ends by it is told at once. */
async function changed(
  { db, feed, clock, log }: ScimDeps,
  { client, call }: Asked,
  body: (context: ChangeContext) => Promise<Change>,
): Promise<string> {
  const { source, tokenId } = client;
  const { id, position, ended } = await db.tx(
    async (trx) => {
      const context = { trx, source, nowMs: clock.now() };
      await lockSource(context);
      const done = await body(context);
      const at = done.ended.length === 0 ? 0 : await feed.appendAll(done.ended, trx);
      return { id: done.id, position: at, ended: done.ended.length };
    },
    // Settles a commit of which the answer was lost.
    { key: `scim ${randomUUID()}`, ...held(call) },
  );
  if (position > 0) await feed.announce(position, 'COMMITTED');
  log.info({ source, token: tokenId, rpc: call.method, resource: id, ended }, 'changed by SCIM');
  return id;
}

/** The resource as it is now, or gone again already. */
async function after(
  deps: ScimDeps,
  asked: Asked,
  kind: Kind,
  id: string,
  status: number,
): Promise<PlainAnswer> {
  return deps.db.read(
    async (on) => told(on, asked, kind, await readResource(on, asked.client.source, kind, id), status),
    held(asked.call),
  );
}

/** What a client sends for a resource. @throws SCIM_INVALID */
function sent(kind: Kind, body: JsonObject): JsonObject {
  const { schemas: given } = body;
  if (Array.isArray(given) && !given.includes(schemaOf(kind))) {
    throw scimError('invalidSyntax', `schemas lacks ${schemaOf(kind)}`);
  }
  return normalise(attributesOf[kind], body);
}

/** Whoever is not said to be inactive is active. */
const complete = (kind: Kind, wanted: JsonObject): JsonObject =>
  kind === 'User' ? { ...wanted, active: wanted.active ?? true } : wanted;

async function create(deps: ScimDeps, asked: Asked, kind: Kind): Promise<PlainAnswer> {
  const wanted = sent(kind, bodyOf(asked.request));
  const id = await changed(deps, asked, (context) =>
    putResource(context, kind, undefined, complete(kind, wanted)),
  );
  return after(deps, asked, kind, id, 201);
}

async function change(deps: ScimDeps, asked: Asked, kind: Kind, id: string): Promise<PlainAnswer> {
  const { request, client } = asked;
  const body = bodyOf(request);
  await changed(deps, asked, async (context) => {
    const { trx } = context;
    const row = await readResource(trx, client.source, kind, id);
    assertVersion(asked, row);
    const members = kind === 'Group' ? await memberIds(trx, client.source, id) : [];
    const before: JsonObject = {
      ...row.body,
      ...(members.length > 0 && { members: members.map((value) => ({ value })) }),
    };
    const wanted = request.method === 'PUT' ? sent(kind, body) : patched(attributesOf[kind], before, body);
    const whole = complete(kind, wanted);
    // What changes nothing makes no new version.
    if (isDeepStrictEqual(before, whole)) return { id, ended: [] };
    return putResource(context, kind, row, whole);
  });
  return after(deps, asked, kind, id, 200);
}

async function remove(deps: ScimDeps, asked: Asked, kind: Kind, id: string): Promise<PlainAnswer> {
  await changed(deps, asked, async (context) => {
    assertVersion(asked, await readResource(context.trx, asked.client.source, kind, id));
    return { id, ended: await deleteResource(context, kind, id) };
  });
  return { status: 204, headers: {}, body: '' };
}

/** @throws SCIM_VERSION_MISMATCH */
function assertVersion({ call }: Asked, row: ResourceRow): void {
  const wanted = call.header('if-match');
  if (wanted !== undefined && !names(wanted, row)) throw new SallyportError('SCIM_VERSION_MISMATCH');
}
