import { SallyportError } from '#core/errors/error.ts';
import { allowedTakings } from '../sources/plan.ts';
import { settingsFromText } from '../sources/settings.ts';
import type { ChangeContext } from './change.ts';

/** Milliseconds in which what is taken away is counted together. */
export const takingsMs = 3_600_000;
/** So many are let through in any case (unless the share is 0): pushed one by one, a few leave a small company at once. */
const alwaysAllowed = 10;

/**
 * Before a user is deactivated or removed: lets through the share of the source's users that may lose access within an
 * hour, as a synchronisation would. Each user counts once. Whoever calls has locked the source. @throws SCIM_HELD
 */
export async function countTaking({ trx, source, nowMs }: ChangeContext, id: string): Promise<void> {
  await trx
    .deleteFrom('scim_takings')
    .where('source', '=', source)
    .where('at_ms', '<=', nowMs - takingsMs)
    .execute();
  await trx
    .insertInto('scim_takings')
    .values({ source, user_id: id, at_ms: nowMs })
    .onDuplicateKeyUpdate({ at_ms: nowMs })
    .execute();
  const { settings } = await trx
    .selectFrom('sources')
    .select('settings')
    .where('name', '=', source)
    .executeTakeFirstOrThrow();
  const counted = await trx
    .selectFrom('scim_takings')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('source', '=', source)
    .executeTakeFirstOrThrow();
  const active = await trx
    .selectFrom('scim_resources')
    .select(({ fn }) => fn.countAll<number>().as('n'))
    .where('source', '=', source)
    .where('kind', '=', 'User')
    .where('active', '=', 1)
    .executeTakeFirstOrThrow();
  const { maxRemovalPercent: percent } = settingsFromText(settings);
  const taken = Number(counted.n) - 1;
  const had = Number(active.n) + taken;
  const allowed = percent === 0 ? 0 : Math.max(alwaysAllowed, allowedTakings(had, percent));
  if (taken < allowed) return;
  throw new SallyportError('SCIM_HELD', {
    message: `${source} has taken access from ${taken} of ${had} users within an hour, and may take it from ${allowed} unasked`,
    retryAfterMs: 600_000,
  });
}

/** Whoever is active again was taken nothing. */
export async function forgetTaking({ trx, source }: ChangeContext, id: string): Promise<void> {
  await trx.deleteFrom('scim_takings').where('source', '=', source).where('user_id', '=', id).execute();
}
