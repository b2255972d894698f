import { isIP } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { type Change, Client, type Control, type Entry, type Filter, ResultCodeError } from 'ldapts';
import { SallyportError } from '#core/errors/error.ts';
import { sourceError } from './ldap-errors.ts';

/** How a host is talked to. */
export interface LdapHost {
  /** `ldap://` or `ldaps://`. */
  readonly url: string;
  readonly startTls: boolean;
  /** Authorities, PEM; empty: the machine's. */
  readonly caPem: string;
  /** Milliseconds for each answer, and for connecting. */
  readonly timeoutMs: number;
}

export interface LdapSearch {
  readonly base: string;
  readonly scope?: 'base' | 'sub';
  readonly filter?: string | Filter;
  readonly attributes: readonly string[];
  /** 1 to 5,000 entries. */
  readonly pageSize?: number;
  readonly controls?: readonly Control[];
}

export interface LdapPage {
  readonly entries: readonly Entry[];
  /** Other directories that have more of it. They are not asked. */
  readonly referrals: readonly string[];
}

/** A connection. Calls throw what {@link sourceError} says. */
export interface LdapSession {
  readonly url: string;
  /** Who this connection speaks for from now on. Throws what ldapts throws. */
  bind(dn: string, password: string): Promise<void>;
  /** One page after the other, on this one connection: a page's cookie means nothing on another. */
  pages(search: LdapSearch): AsyncGenerator<LdapPage>;
  /** All of a search that finds little. */
  find(search: LdapSearch): Promise<readonly Entry[]>;
  /** Changes an entry. A refusal whose result code is in `harmless` (RFC 4511 appendix A.1) gives false. */
  modify(dn: string, changes: readonly Change[], harmless?: readonly number[]): Promise<boolean>;
  close(): Promise<void>;
}

/** Connects, with TLS unless the host is this machine. @throws SOURCE_UNREACHABLE, SOURCE_REFUSED, SOURCE_INVALID */
export async function openLdap(host: LdapHost, signal: AbortSignal): Promise<LdapSession> {
  const { url, timeoutMs } = host;
  signal.throwIfAborted();
  assertEncrypted(host);
  const tls = tlsOptions(host);
  const secure = url.startsWith('ldaps:');
  const client = new Client({
    url,
    timeout: timeoutMs,
    connectTimeout: timeoutMs,
    ...(secure && { tlsOptions: tls }),
  });
  const close = (): Promise<void> => client.unbind().catch(() => {});
  const stop = (): void => void close();
  signal.addEventListener('abort', stop, { once: true });
  const end = (): Promise<void> => {
    signal.removeEventListener('abort', stop);
    return close();
  };
  const failed = (doing: string, error: unknown): unknown =>
    signal.aborted ? signal.reason : sourceError(url, doing, error);
  let bound = false;

  async function* pages(search: LdapSearch): AsyncGenerator<LdapPage> {
    try {
      const found = client.searchPaginated(
        search.base,
        {
          scope: search.scope ?? 'sub',
          ...(search.filter !== undefined && { filter: search.filter }),
          attributes: [...search.attributes],
          explicitBufferAttributes: ['objectGUID'],
          paged: { pageSize: search.pageSize ?? 500 },
        },
        [...(search.controls ?? [])],
      );
      for await (const { searchEntries, searchReferences } of found) {
        // ldapts connects anew by itself, and would go on as nobody.
        if (bound && !client.isBound) throw new Error('the connection was lost');
        yield { entries: searchEntries, referrals: searchReferences };
      }
    } catch (error) {
      throw failed(`searching ${search.base}`, error);
    }
  }

  try {
    if (!secure && host.startTls) await client.startTLS(tls);
  } catch (error) {
    await end();
    throw failed('beginning TLS', error);
  }
  return {
    url,
    bind: async (dn, password) => {
      await client.bind(dn, password);
      bound = true;
    },
    pages,
    find: async (search) => {
      const all: Entry[] = [];
      for await (const { entries } of pages(search)) all.push(...entries);
      return all;
    },
    modify: async (dn, changes, harmless = []) => {
      try {
        await client.modify(dn, [...changes]);
        return true;
      } catch (error) {
        if (error instanceof ResultCodeError && harmless.includes(error.code)) return false;
        throw failed(`changing ${dn}`, error);
      }
    },
    close: end,
  };
}

/** @throws SOURCE_INVALID: passwords would be readable on the network */
export function assertEncrypted({ url, startTls }: Pick<LdapHost, 'url' | 'startTls'>): void {
  const { protocol, hostname } = new URL(url);
  if (protocol === 'ldaps:' || startTls || /^(localhost|127\.[\d.]+|\[::1\])$/.test(hostname)) return;
  throw new SallyportError('SOURCE_INVALID', {
    message: `${url} is not encrypted, and not this machine`,
    hint: 'use ldaps://, or --start-tls',
  });
}

function tlsOptions({ url, caPem }: LdapHost): ConnectionOptions {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    ...(isIP(host) === 0 && { servername: host }),
    ...(caPem !== '' && { ca: caPem }),
    minVersion: 'TLSv1.2',
  };
}
