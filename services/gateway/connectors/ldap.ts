import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { Attribute, Change, Client, type Entry, ResultCodeError } from 'ldapts';
import { SallyportError } from '#core/errors/error.ts';
import {
  type LdapCall,
  type LdapChange,
  LdapChangeKind,
  LdapScope,
  type LdapSearch,
} from '#gen/sallyport/gateway/v1/gateway_pb.js';
import type { TargetOf } from '../target-schema.ts';
import { type Answer, brokeOff, type Connector, type TargetCall, unreachable } from './connector.ts';

const connectMs = 3000;
const pageSize = 500;
const scopes = {
  [LdapScope.UNSPECIFIED]: 'sub',
  [LdapScope.BASE]: 'base',
  [LdapScope.ONE]: 'one',
  [LdapScope.SUB]: 'sub',
} as const;
const changeKinds = {
  [LdapChangeKind.ADD]: 'add',
  [LdapChangeKind.DELETE]: 'delete',
  [LdapChangeKind.REPLACE]: 'replace',
} as const;
/** busy, unavailable (RFC 4511 appendix A.1): another time it may do it. */
const later: readonly number[] = [51, 52];

/** A directory: a connection for each call, bound as the target's account. */
export function ldapConnector(target: TargetOf<'ldap'>): Connector {
  const { name, url, startTls, bindDn, passwordFile, operations, maxEntries, limits } = target;
  const { hostname, protocol } = new URL(url);
  const secure = protocol === 'ldaps:';
  const host = hostname.replace(/^\[|\]$/g, '');
  const tls = {
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(target.caFile !== undefined && { ca: readFileSync(target.caFile) }),
    minVersion: 'TLSv1.2' as const,
  };
  const password = passwordFile === undefined ? '' : readFileSync(passwordFile, 'utf8').trimEnd();

  async function* call({ start, signal, acting }: TargetCall): AsyncGenerator<Answer> {
    if (start.case !== 'ldap') throw new SallyportError('INTERNAL');
    const { operation } = start.value;
    if (operation.case === undefined || !operations.some((each) => each === operation.case)) {
      throw new SallyportError('TARGET_REFUSED', {
        message: `${name} is not open for ${operation.case ?? 'nothing'}`,
      });
    }
    const client = new Client({
      url,
      timeout: limits.timeout ?? limits.idle,
      connectTimeout: connectMs,
      ...(secure && { tlsOptions: tls }),
    });
    const stop = (): void => void client.unbind().catch(() => {});
    signal.addEventListener('abort', stop, { once: true });
    let begun = false;
    try {
      signal.throwIfAborted();
      if (!secure && startTls) await client.startTLS(tls);
      // Also for nobody: only then it is known whether the directory is there.
      await client.bind(bindDn, password);
      begun = true;
      acting();
      yield { case: 'head', value: {} };
      yield* perform(client, operation, maxEntries);
    } catch (error) {
      throw signal.aborted ? SallyportError.from(signal.reason) : refusal(name, error, begun);
    } finally {
      signal.removeEventListener('abort', stop);
      await client.unbind().catch(() => {});
    }
  }
  return { call, close: async () => {} };
}

async function* perform(
  client: Client,
  operation: LdapCall['operation'],
  maxEntries: number,
): AsyncGenerator<Answer> {
  switch (operation.case) {
    case 'search': {
      const { limit } = operation.value;
      yield* search(client, operation.value, limit === 0 ? maxEntries : Math.min(limit, maxEntries));
      return;
    }
    case 'modify':
      await client.modify(operation.value.dn, operation.value.changes.map(changeOf));
      yield { case: 'end', value: {} };
      return;
    case 'compare': {
      const { dn, attribute, value } = operation.value;
      yield { case: 'end', value: { matched: await client.compare(dn, attribute, value) } };
    }
  }
}

async function* search(
  client: Client,
  { base, scope, filter, attributes }: LdapSearch,
  most: number,
): AsyncGenerator<Answer> {
  let count = 0;
  const found = client.searchPaginated(base, {
    scope: scopes[scope],
    ...(filter !== '' && { filter }),
    attributes: [...attributes],
    // As bytes, whatever they are.
    explicitBufferAttributes: [...attributes],
    paged: { pageSize: Math.min(pageSize, most) },
  });
  for await (const { searchEntries } of found) {
    for (const entry of searchEntries) {
      if (count++ >= most) {
        yield { case: 'end', value: { truncated: true } };
        return;
      }
      yield { case: 'entry', value: entryOf(entry) };
    }
  }
  yield { case: 'end', value: {} };
}

function entryOf({ dn, ...fields }: Entry): {
  dn: string;
  attributes: { name: string; values: Uint8Array[] }[];
} {
  const attributes = Object.entries(fields).map(([name, values]) => ({
    name,
    values: [values].flat().map((each) => (typeof each === 'string' ? Buffer.from(each) : each)),
  }));
  return { dn, attributes: attributes.filter(({ values }) => values.length > 0) };
}

function changeOf({ kind, attribute }: LdapChange): Change {
  if (kind === LdapChangeKind.UNSPECIFIED) throw new SallyportError('INVALID_FIELD');
  return new Change({
    operation: changeKinds[kind],
    modification: new Attribute({
      type: attribute?.name ?? '',
      values: (attribute?.values ?? []).map((each) => Buffer.from(each)),
    }),
  });
}

/** What the directory, or its silence, says. A result code is its word: it has not done what it refuses. */
function refusal(name: string, error: unknown, begun: boolean): SallyportError {
  if (error instanceof SallyportError) return error;
  if (!(error instanceof ResultCodeError)) return begun ? brokeOff(name, error) : unreachable(name, error);
  const message = `${name} refuses with code ${error.code}: ${error.message.replace(/\s+/g, ' ').slice(0, 300)}`;
  return new SallyportError(later.includes(error.code) ? 'BACKEND_UNAVAILABLE' : 'TARGET_REFUSED', {
    message,
    metadata: { maybeExecuted: 'false', ldapCode: String(error.code) },
    cause: error,
  });
}
