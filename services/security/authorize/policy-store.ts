import { SallyportError } from '#core/errors/error.ts';
import { compilePolicy, loadPolicy } from '#core/policy/compile.ts';
import type { Policy } from '#core/policy/policy.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { SecurityTables } from '../store/tables.ts';

/** A policy as it stands in the database. */
export interface StoredPolicy {
  readonly version: number;
  readonly document: unknown;
}

/** Where policies are kept. Gives versions above `version`, newest first, at most a few. */
export type ReadPolicies = (above: number) => Promise<readonly StoredPolicy[]>;

/** A policy that decides now, and its text for those who decide elsewhere. */
export interface CurrentPolicy {
  readonly policy: Policy;
  readonly documentJson: string;
}

/** Before there is any policy nothing is allowed. */
const nothing: CurrentPolicy = {
  policy: compilePolicy({ resources: [], ignorePathCase: false }, 0),
  documentJson: '{"resources":[]}',
};

/**
 * The policy that this pod decides by: the newest that compiles. One that does not is logged and left
 * aside; the one before goes on deciding.
 */
export class PolicyStore {
  readonly #read: ReadPolicies;
  readonly #log: Logger;
  readonly #listeners = new Set<(current: CurrentPolicy) => void>();
  #current = nothing;
  /** The newest version that was looked at, good or bad. */
  #seen = 0;
  #loading: Promise<void> | undefined;

  constructor(read: ReadPolicies, log: Logger) {
    this.#read = read;
    this.#log = log;
  }

  get current(): CurrentPolicy {
    return this.#current;
  }

  /** The newest version is `version`, as a look at the database has just found. */
  async refresh(version: number): Promise<void> {
    if (version <= this.#seen) return;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  subscribe(tell: (current: CurrentPolicy) => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  async #load(): Promise<void> {
    const stored = await this.#read(this.#current.policy.version);
    for (const { version, document } of stored) {
      this.#seen = Math.max(this.#seen, version);
      const policy = this.#compile(version, document);
      if (policy === undefined) continue;
      this.#current = { policy, documentJson: JSON.stringify(document) };
      this.#log.info({ version, resources: policy.resources.length }, 'a new policy decides');
      for (const tell of [...this.#listeners]) tell(this.#current);
      return;
    }
  }

  #compile(version: number, document: unknown): Policy | undefined {
    try {
      return loadPolicy(document, version);
    } catch (error) {
      this.#log.error(
        { err: SallyportError.from(error), version },
        'a policy is not valid and does not decide',
      );
      return undefined;
    }
  }
}

export function mysqlPolicies(replica: Pick<Db<SecurityTables>, 'read'>): ReadPolicies {
  return async (above) => {
    return replica.read((on) =>
      on
        .selectFrom('policies')
        .select(['version', 'document'])
        .where('version', '>', above)
        .orderBy('version', 'desc')
        .limit(5)
        .execute(),
    );
  };
}
