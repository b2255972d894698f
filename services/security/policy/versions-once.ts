import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { parsePolicy } from '#core/policy/parse.ts';
import type { SecurityTables } from '../store/tables.ts';

/**
 * Which versions of an app may be used is said in one place, the catalogue (`sallyport apps versions`) or the policy
 * (`apps`): of two that differ nobody would know which one counts. Whoever changes either holds the lock `policy`.
 */

/** @throws POLICY_INVALID when the catalogue says it of an app of this policy */
export async function assertNotInCatalogue(db: Kysely<SecurityTables>, document: unknown): Promise<void> {
  const ids = appsOf(document);
  if (ids.length === 0) return;
  const rows = await db.selectFrom('catalog_versions').selectAll().where('app_id', 'in', ids).execute();
  const said = rows.find((row) => row.min_version !== '' || row.blocked_json !== '[]');
  if (said === undefined) return;
  throw new SallyportError('POLICY_INVALID', {
    message: `the app catalogue says already which versions of ${said.app_id} may be used`,
    hint: `leave out minVersion and blockedVersions in \`apps\`, or first \`sallyport apps versions --app ${said.app_id} --platform ${said.platform}\`, which takes it back there`,
  });
}

/** @throws CHANGE_REFUSED when the policy says it of this app */
export function assertNotInPolicy(document: unknown, appId: string): void {
  if (!appsOf(document).includes(appId)) return;
  throw new SallyportError('CHANGE_REFUSED', {
    message: `the policy says already which versions of ${appId} may be used`,
    hint: 'change it there, in `apps`: `sallyport policy show`; or take out its minVersion and blockedVersions first',
  });
}

const appsOf = (document: unknown): string[] =>
  (parsePolicy(document).apps ?? [])
    .filter(({ minVersion, blockedVersions }) => minVersion !== undefined || blockedVersions !== undefined)
    .map(({ id }) => id);
