import { type Kysely, sql } from 'kysely';
import type { AppContext } from '#core/policy/facts.ts';
import { type Batcher, batcher } from '#kernel/db/batcher.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { DeviceTables } from '../store/tables-devices.ts';

/** A device as of its last session. */
export interface Sighting {
  readonly routeKey: string;
  readonly app: Pick<AppContext, 'version' | 'osVersion' | 'certDigest' | 'posture'>;
  /** Unix milliseconds, database time. */
  readonly seenMs: number;
}

/** Milliseconds for a batch. Nobody waits for it. */
const writeMs = 5000;

/**
 * Writes down with which app, in which posture, devices open sessions: behind, since logins need reads only,
 * and in batches. What cannot be written is left out until the device's next session.
 */
export class Sightings {
  readonly #batches: Batcher<Sighting, undefined>;
  readonly #log: Logger;

  constructor(db: Pick<Db<DeviceTables>, 'tx'>, log: Logger) {
    this.#log = log;
    this.#batches = batcher(
      (sightings) =>
        db.tx((trx) => upsert(trx, sightings).then(() => sightings.map(() => undefined)), {
          idempotent: true,
          deadlineMs: writeMs,
        }),
      { maxRows: 200, maxWaitMs: 200, parallel: 1 },
    );
  }

  note(sighting: Sighting): void {
    this.#batches.add(sighting).catch((error) => {
      this.#log.warn({ err: error, routeKey: sighting.routeKey }, 'how a device was seen was not stored');
    });
  }

  close(): Promise<void> {
    return this.#batches.close();
  }
}

async function upsert(trx: Kysely<DeviceTables>, sightings: readonly Sighting[]): Promise<void> {
  // In one order everywhere, so that two pods that write about the same devices take turns.
  const newest = [...new Map(sightings.map((each) => [each.routeKey, each])).values()];
  newest.sort((a, b) => (a.routeKey < b.routeKey ? -1 : 1));
  const keep = <T>(column: string) => sql<T>`values(${sql.ref(column)})`;
  await trx
    .insertInto('device_sightings')
    .values(
      newest.map(({ routeKey, app, seenMs }) => ({
        route_key: routeKey,
        app_version: app.version,
        os_version: app.osVersion,
        cert_digest: app.certDigest,
        posture_json: JSON.stringify(app.posture),
        seen_ms: seenMs,
      })),
    )
    .onDuplicateKeyUpdate({
      app_version: keep<string>('app_version'),
      os_version: keep<string>('os_version'),
      cert_digest: keep<string>('cert_digest'),
      posture_json: keep<string>('posture_json'),
      seen_ms: sql<number>`greatest(seen_ms, values(seen_ms))`,
    })
    .execute();
}

/**
 * The last use of devices, of their sessions' last use.
 * @param seen Unix milliseconds by handle; a handle begins with the route key. People's are no device's.
 */
export async function saveDevicesSeen(
  db: Pick<Db<DeviceTables>, 'tx'>,
  seen: ReadonlyMap<string, number>,
): Promise<void> {
  const devices = new Map<string, number>();
  for (const [handle, ms] of seen) {
    const routeKey = handle.slice(0, handle.indexOf('.'));
    devices.set(routeKey, Math.max(ms, devices.get(routeKey) ?? 0));
  }
  if (devices.size === 0) return;
  const cases = sql.join(
    [...devices].map(([routeKey, ms]) => sql`when ${routeKey} then ${ms}`),
    sql` `,
  );
  await db.tx(
    (trx) =>
      sql`update device_sightings set seen_ms = greatest(seen_ms, case route_key ${cases} end)
        where route_key in (${sql.join([...devices.keys()])}) order by route_key`.execute(trx),
    { idempotent: true, deadlineMs: writeMs },
  );
}

/** By route key. */
export async function findSightings(
  db: Kysely<DeviceTables>,
  routeKeys: readonly string[],
): Promise<ReadonlyMap<string, Sighting>> {
  if (routeKeys.length === 0) return new Map();
  const rows = await db
    .selectFrom('device_sightings')
    .selectAll()
    .where('route_key', 'in', [...routeKeys])
    .execute();
  return new Map(
    rows.map((row) => [
      row.route_key,
      {
        routeKey: row.route_key,
        app: {
          version: row.app_version,
          osVersion: row.os_version,
          certDigest: row.cert_digest,
          posture: JSON.parse(row.posture_json) as AppContext['posture'],
        },
        seenMs: row.seen_ms,
      },
    ]),
  );
}
