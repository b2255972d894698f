import { SallyportError } from '#core/errors/error.ts';
import { Bound } from '#kernel/crypto/bound.ts';
import { hashPassword, verifyPassword } from '#kernel/crypto/password.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Hosts } from '#kernel/ldap/hosts.ts';
import { isWrongPassword, sourceError } from '#kernel/ldap/ldap-errors.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { AskDirectory } from '../directory/credentials.ts';
import type { UserEntryLink } from '../directory/users.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import type { SecurityTables } from '../store/tables.ts';
import { dialectOf, idFilter } from './dialect.ts';
import { accessTo, type SourceAccess } from './source-store.ts';

export interface BindDeps {
  readonly db: Db<SecurityTables>;
  /** What a secondary serves while there is no primary. */
  readonly replica: Pick<Db<SecurityTables>, 'read'>;
  readonly dataKeys: DataKeys;
  readonly hosts: Hosts;
  readonly log: Logger;
}

/**
 * Asks the directory, by logging in there with the password, which is kept nowhere. With no host in reach the hash of
 * the last one that was right counts, if the source keeps those.
 * @throws SOURCE_UNREACHABLE, OVERLOADED
 */
export function bindPassword(deps: BindDeps): AskDirectory {
  const binds = new Bound({ inside: 16, waiting: 200, what: 'passwords' });
  return async (_user, entry, password, { signal, from }) => {
    // A bind without a password succeeds, as nobody (RFC 4513 5.1.2).
    if (password === '' || entry.dn === '') return false;
    const until = signal ?? new AbortController().signal;
    const source = await accessTo({ db: deps.replica, dataKeys: deps.dataKeys }, entry.source, {
      signal: until,
    });
    let right: boolean;
    try {
      right = await binds.run(() => bind(deps, source, entry, password, until), until);
    } catch (error) {
      const { reason } = SallyportError.from(error);
      if (reason !== 'SOURCE_UNREACHABLE' && reason !== 'SOURCE_REFUSED') throw error;
      const offline = source.settings.offlineVerifier && reason === 'SOURCE_UNREACHABLE';
      deps.log.warn(
        { err: error, source: entry.source, offline },
        'a directory cannot say whose password it is',
      );
      // Where it is, and as whom one logs in there, is nothing for a phone.
      if (!offline || entry.verifier === undefined) throw new SallyportError(reason, { retryAfterMs: 5000 });
      return verifyPassword(entry.verifier, password, until, from);
    }
    if (right && source.settings.offlineVerifier) await keepVerifier(deps, entry, password);
    return right;
  };
}

async function bind(
  { hosts }: BindDeps,
  source: SourceAccess,
  entry: UserEntryLink,
  password: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { settings, account } = source;
  const tryAs = (dn: string): Promise<boolean> =>
    hosts.at(
      settings,
      undefined,
      async (session) => {
        try {
          await session.bind(dn, password);
          return true;
        } catch (error) {
          if (isWrongPassword(error)) return false;
          throw sourceError(session.url, `logging in as ${dn}`, error);
        }
      },
      signal,
    );
  if (await tryAs(entry.dn)) return true;
  // It may have moved since the last look.
  const dn = await hosts.at(
    settings,
    account,
    async (session) => {
      const filter = idFilter(await dialectOf(session), entry.id);
      const [found] = await session.find({ base: settings.usersBase, filter, attributes: ['1.1'] });
      return found?.dn;
    },
    signal,
  );
  return dn !== undefined && dn !== entry.dn && tryAs(dn);
}

/** Of the password that was right just now; a failure to keep it keeps nobody out. */
async function keepVerifier(
  { db, log }: BindDeps,
  { source, id, verifier }: UserEntryLink,
  password: string,
): Promise<void> {
  try {
    if (verifier !== undefined && (await verifyPassword(verifier, password, undefined, 'known'))) return;
    const fresh = await hashPassword(password);
    await db.tx(
      (trx) =>
        trx
          .updateTable('source_users')
          .set({ verifier: fresh })
          .where('source', '=', source)
          .where('entry_id', '=', id)
          .execute(),
      { idempotent: true, deadlineMs: 2000 },
    );
  } catch (error) {
    log.warn(
      { err: error, source },
      'the hash of a password could not be kept for when the directory is away',
    );
  }
}
