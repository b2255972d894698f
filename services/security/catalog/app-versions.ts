import { refused, type VersionRules } from '#core/catalog/rollout.ts';
import { appRefused } from '#core/errors/app-refused.ts';
import type { SallyportError } from '#core/errors/error.ts';
import type { Db } from '#kernel/db/db.ts';
import type { SecurityTables } from '../store/tables.ts';

/**
 * Which versions of apps may open sessions, in memory: a login does not wait for it. While the database cannot be
 * read, the rules that were read last count.
 */
export class AppVersions {
  readonly #db: Pick<Db<SecurityTables>, 'read'>;
  #rules: ReadonlyMap<string, VersionRules> = new Map();

  constructor(db: Pick<Db<SecurityTables>, 'read'>) {
    this.#db = db;
  }

  async refresh(): Promise<void> {
    const rows = await this.#db.read((on) => on.selectFrom('catalog_versions').selectAll().execute());
    this.#rules = new Map(
      rows.map(({ app_id, platform, min_version, blocked_json }) => [
        `${app_id} ${platform}`,
        { minVersion: min_version, blocked: JSON.parse(blocked_json) as string[] },
      ]),
    );
  }

  /** APP_REFUSED for an app that may open no session; undefined for any other. */
  refusal(app: {
    readonly appId: string;
    readonly platform: string;
    readonly version: string;
  }): SallyportError | undefined {
    const { appId, version } = app;
    const rules = this.#rules.get(`${appId} ${app.platform.toLowerCase()}`);
    const why = rules && refused(rules, version);
    if (why === undefined) return undefined;
    return why === 'blocked'
      ? appRefused({ reason: 'APP_BLOCKED', explain: `version ${version} of ${appId} is blocked` })
      : appRefused({
          reason: 'APP_TOO_OLD',
          explain: `version ${version} of ${appId} is too old, ${rules?.minVersion} is the lowest`,
        });
  }
}
