import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { sourceError } from './ldap-errors.ts';
import { type LdapHost, type LdapSession, openLdap } from './ldap-session.ts';

/** Milliseconds for which a host that did not answer is asked last. */
const avoidMs = 30_000;

/** A directory that several hosts hold. */
export interface LdapHosts extends Omit<LdapHost, 'url'> {
  /** In the order in which they are asked. */
  readonly urls: readonly string[];
}

/** Who a directory is asked as. */
export interface Account {
  /** Empty: anonymous. */
  readonly dn: string;
  readonly password: string;
}

/** The hosts of directories, and which of them did not answer lately: a login must not wait for a dead one each time. */
export class Hosts {
  readonly #clock: Clock;
  readonly #failedAt = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs `use` with a connection to the first host that answers. When a host falls silent meanwhile, `use` is run again
   * from the start, at the next one.
   * @throws SOURCE_UNREACHABLE when no host answers; SOURCE_REFUSED, SOURCE_INCOMPLETE at once: the others say the same
   */
  async at<T>(
    settings: LdapHosts,
    account: Account | undefined,
    use: (session: LdapSession) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    let last: unknown;
    for (const url of this.#inTurn(settings.urls)) {
      try {
        const done = await atHost(settings, url, account, use, signal);
        this.#failedAt.delete(url);
        return done;
      } catch (error) {
        signal.throwIfAborted();
        if (SallyportError.from(error).reason !== 'SOURCE_UNREACHABLE') throw error;
        this.#failedAt.set(url, this.#clock.monotonic());
        last = error;
      }
    }
    throw last;
  }

  #inTurn(urls: readonly string[]): string[] {
    const now = this.#clock.monotonic();
    const avoided = (url: string): boolean => now - (this.#failedAt.get(url) ?? -avoidMs) < avoidMs;
    return [...urls.filter((url) => !avoided(url)), ...urls.filter(avoided)];
  }
}

/** The same with one host. @throws SOURCE_UNREACHABLE, SOURCE_REFUSED, SOURCE_INCOMPLETE */
export async function atHost<T>(
  settings: LdapHosts,
  url: string,
  account: Account | undefined,
  use: (session: LdapSession) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const session = await openLdap({ ...settings, url }, signal);
  try {
    if (account !== undefined && account.dn !== '') {
      try {
        await session.bind(account.dn, account.password);
      } catch (error) {
        throw sourceError(url, `logging in as ${account.dn}`, error);
      }
    }
    return await use(session);
  } finally {
    await session.close();
  }
}
