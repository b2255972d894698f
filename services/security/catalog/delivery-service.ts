import { labelled } from '#core/channel/bytes.ts';
import { labels } from '#core/channel/constants.ts';
import { SallyportError } from '#core/errors/error.ts';
import {
  type AppDelivery,
  type CatalogStore,
  type DeviceProof,
  Outcome,
  type ReleaseName,
} from '#gen/sallyport/catalog/v1/catalog_pb.js';
import type { Bound } from '#kernel/crypto/bound.ts';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { requireRole } from '../authorize/callers.ts';
import { findUserDetails } from '../directory/read-users.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import type { EnrolmentInfo } from '../keystore/enrolments.ts';
import type { Keyring } from '../keystore/keyring.ts';
import type { SecurityTables } from '../store/tables.ts';
import { admitDevice } from './admit-device.ts';
import { readMetadata } from './publish.ts';
import { checkUpdate, takeReport } from './rollouts.ts';
import { chunkBytes, readChunk } from './uploads.ts';

export interface DeliveryDeps {
  readonly db: Pick<Db<SecurityTables>, 'tx'>;
  /** What devices ask for, any member of the database has. */
  readonly replica: Pick<Db<SecurityTables>, 'read'>;
  readonly dataKeys: DataKeys;
  readonly keyring: Pick<Keyring, 'signAsIdentity'>;
  /** Database time. */
  readonly clock: Clock;
  readonly log: Pick<Logger, 'warn'>;
  /** How much of it is done at once: it must not take the database from what opens sessions. */
  readonly bound: Pick<Bound, 'run'>;
}

type Answered = Omit<Handlers<typeof AppDelivery>, 'readTarget'>;

/** What devices ask of the catalogue; proxies pass it on. */
export function deliveryService(deps: DeliveryDeps): Answered {
  const { db, replica, dataKeys, keyring, clock, log, bound } = deps;
  const admitted = <T>(
    call: CallContext,
    proof: DeviceProof | undefined,
    body: (on: Parameters<Parameters<typeof replica.read>[0]>[0], device: EnrolmentInfo) => Promise<T>,
  ): Promise<T> => {
    requireRole(call, 'proxy');
    return bound.run(
      () =>
        replica.read(async (on) => body(on, await admitDevice(on, dataKeys, proof, clock.now())), held(call)),
      call.signal,
    );
  };
  return {
    checkUpdate: (request, call) =>
      admitted(call, request.proof, async (on, device) => {
        const installed = releaseOf(request.installed, device);
        const user = await findUserDetails(on, device.user);
        const groups = user?.groups ?? [];
        const asking = { installed, channel: request.channel, deviceId: device.deviceId, groups };
        const { version = '', mandatory } = await checkUpdate(on, asking);
        return { version, mandatory };
      }),

    readMetadata: ({ proof, role, version }, call) =>
      admitted(call, proof, async (on) => {
        const found = await readMetadata(on, role, version);
        if (found === undefined)
          throw new SallyportError('NOT_FOUND', { message: `no metadata ${version}.${role}` });
        const { body } = found;
        if (role !== 'root' || version !== 0) return { body };
        const { signature, identityKey } = keyring.signAsIdentity(labelled(labels.catalogueRoot, body));
        return { body, identitySignature: signature, identityKey };
      }),

    reportUpdate: async ({ proof, release, outcome }, call) => {
      const device = await admitted(call, proof, async (_, enrolment) => enrolment);
      const key = releaseOf(release, device);
      const report = {
        deviceId: device.deviceId,
        failed: outcome !== Outcome.HEALTHY,
        nowMs: clock.now(),
      };
      const halted = await db.tx((trx) => takeReport(trx, key, report), { idempotent: true, ...held(call) });
      for (const { channel, why } of halted) {
        const { appId, platform, version } = key;
        log.warn({ app: appId, platform, version, channel, why }, 'the rollout of a release was halted');
      }
      return {};
    },
  };
}

/** What proxies need to serve ReadTarget. */
export function catalogStore({
  replica,
  dataKeys,
  clock,
  bound,
}: DeliveryDeps): Handlers<typeof CatalogStore> {
  return {
    openTarget: ({ proof, sha256 }, call) => {
      requireRole(call, 'proxy');
      const digest = Buffer.from(sha256);
      return bound.run(
        () =>
          replica.read(async (on) => {
            const device = await admitDevice(on, dataKeys, proof, clock.now());
            const find = (table: 'catalog_releases' | 'catalog_deltas') =>
              on
                .selectFrom(table)
                .select('length')
                .where('sha256', '=', digest)
                .where('app_id', '=', device.appId)
                .executeTakeFirst();
            const found = (await find('catalog_releases')) ?? (await find('catalog_deltas'));
            if (found === undefined)
              throw new SallyportError('NOT_FOUND', { message: 'no package of this app' });
            return { length: BigInt(found.length), chunkBytes };
          }, held(call)),
        call.signal,
      );
    },

    readPiece: ({ sha256, index }, call) => {
      requireRole(call, 'proxy');
      return bound.run(async () => {
        const data = await replica.read((on) => readChunk(on, Buffer.from(sha256), index), held(call));
        if (data === undefined) throw new SallyportError('NOT_FOUND', { message: 'there is no such piece' });
        return { data };
      }, call.signal);
    },
  };
}

/** A device speaks of its own app only. @throws CALLER_NOT_ALLOWED */
function releaseOf(name: ReleaseName | undefined, { appId }: EnrolmentInfo): ReleaseName {
  if (name === undefined) throw new SallyportError('MALFORMED');
  if (name.appId !== appId) {
    throw new SallyportError('CALLER_NOT_ALLOWED', { message: `this device is enrolled for ${appId}` });
  }
  return name;
}
