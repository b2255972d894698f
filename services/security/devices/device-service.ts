import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { type DeviceService, DeviceState } from '#gen/sallyport/device/v1/device_pb.js';
import type { Db } from '#kernel/db/db.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { claimsOf } from '../attestation/attestation.ts';
import type { Administrators } from '../authorize/administrators.ts';
import { canonicalUser } from '../directory/users.ts';
import { announced } from '../feed/announced.ts';
import type { Feed } from '../feed/feed.ts';
import { type ActivationMaker, makeActivation } from '../keystore/make-activation.ts';
import { decodePageToken, encodePageToken } from '../keystore/page-token.ts';
import type { SecurityTables } from '../store/tables.ts';
import { type DeviceDetails, findDevice, listDevices, updateDevice, voidReplacements } from './devices.ts';

export interface DeviceServiceDeps extends ActivationMaker {
  readonly db: Db<SecurityTables>;
  readonly feed: Pick<Feed, 'append' | 'announce'>;
  readonly admins: Pick<Administrators, 'admitOwner'>;
  /** Database time. */
  readonly clock: Clock;
}

/** Whoever calls, and whose devices that concerns: undefined for everybody's. */
interface Scope {
  readonly name: string;
  readonly owner: string | undefined;
}

type Body<T> = (
  trx: Parameters<Parameters<Db<SecurityTables>['tx']>[0]>[0],
  device: DeviceDetails,
) => Promise<T>;

/** Devices, for administrators, and for people their own. */
export function deviceService(deps: DeviceServiceDeps): Handlers<typeof DeviceService> {
  const { db, feed, clock } = deps;

  /** In one transaction, with the device locked. @throws NOT_FOUND */
  const change = <T>(call: CallContext, { owner }: Scope, deviceId: string, body: Body<T>): Promise<T> =>
    db.tx(async (trx) => body(trx, await findDevice(trx, { deviceId, owner }, true)), {
      idempotent: true,
      ...held(call),
    });

  return {
    listDevices: async (request, call) => {
      const { owner } = await deps.admins.admitOwner(call);
      const asked = request.user === '' ? undefined : canonicalUser(request.user);
      if (owner !== undefined && asked !== undefined && asked !== owner) {
        throw new SallyportError('CALLER_NOT_ALLOWED', {
          message: `${owner} may see ${owner}'s own devices only`,
          hint: 'devices of others are for administrators, and through an edge only with `edge: {admin_api: true}`',
        });
      }
      const after = request.pageToken === '' ? undefined : decodePageToken(request.pageToken);
      const list = (limit: number) =>
        db.read(
          (on) =>
            listDevices(on, {
              user: owner ?? asked,
              includeRevoked: request.includeRevoked,
              limit,
              after,
            }),
          held(call),
        );
      const { rows, nextPageToken } = await readPage(request.pageSize, list, ({ enrolment }) =>
        encodePageToken(enrolment),
      );
      return { devices: rows.map(toWire), nextPageToken };
    },

    getDevice: async ({ deviceId }, call) => {
      const { owner } = await deps.admins.admitOwner(call);
      return { device: toWire(await db.read((on) => findDevice(on, { deviceId, owner }), held(call))) };
    },

    renameDevice: async ({ deviceId, name }, call) => {
      const by = await deps.admins.admitOwner(call);
      const device = await change(call, by, deviceId, (trx, found) =>
        updateDevice(trx, found, { deviceName: name }),
      );
      return { device: toWire(device) };
    },

    blockDevice: async ({ deviceId, reason, wait }, call) => {
      const by = await deps.admins.admitOwner(call);
      const { device, position } = await change(call, by, deviceId, async (trx, found) => {
        mustBeEnrolled(found);
        const { blockedMs, blockedBy = '' } = found.enrolment;
        // An administrator's block is not taken over by whoever owns the device.
        // One of a restore is lifted for all devices together: who blocks one of them means more than that.
        const passing = blockedBy.startsWith('person/') || blockedBy.startsWith('restore/');
        const stays = blockedMs !== undefined && (by.owner !== undefined || !passing);
        const block = stays ? {} : { blockedMs: clock.now(), blockedBy: by.name };
        await voidReplacements(trx, found.enrolment.routeKey);
        const entry = { kind: 'device', subject: deviceId, reason: reason || 'blocked' } as const;
        return { device: await updateDevice(trx, found, block), position: await feed.append(entry, trx) };
      });
      return { device: toWire(device), ...(await announced({ feed, clock }, position, wait, call)) };
    },

    unblockDevice: async ({ deviceId }, call) => {
      const by = await deps.admins.admitOwner(call);
      const device = await change(call, by, deviceId, (trx, found) => {
        mustBeEnrolled(found);
        mayLift(by, found);
        return updateDevice(trx, found, { blockedMs: undefined, blockedBy: undefined });
      });
      return { device: toWire(device) };
    },

    wipeSessions: async ({ deviceId, reason, wait }, call) => {
      const by = await deps.admins.admitOwner(call);
      const entry = { kind: 'device', subject: deviceId, reason: reason || 'wiped' } as const;
      const position = await change(call, by, deviceId, (trx) => feed.append(entry, trx));
      return announced({ feed, clock }, position, wait, call);
    },

    replaceDevice: async ({ deviceId, ttlSeconds }, call) => {
      const by = await deps.admins.admitOwner(call);
      return change(call, by, deviceId, async (trx, found) => {
        mustBeEnrolled(found);
        mayLift(by, found);
        const { user, appId, routeKey } = found.enrolment;
        return makeActivation(deps, trx, { user, appId, replaces: routeKey }, ttlSeconds);
      });
    },
  };
}

/** @throws ENROLMENT_REVOKED */
function mustBeEnrolled({ enrolment }: DeviceDetails): void {
  if (enrolment.revokedMs !== undefined) throw new SallyportError('ENROLMENT_REVOKED');
}

/** Whoever has found a phone and its owner's password must not undo what an administrator did. @throws CALLER_NOT_ALLOWED */
function mayLift({ name, owner }: Scope, { enrolment: { blockedMs, blockedBy } }: DeviceDetails): void {
  if (owner === undefined || blockedMs === undefined || blockedBy === name) return;
  throw new SallyportError('CALLER_NOT_ALLOWED', {
    message: `the device was blocked by ${blockedBy}`,
    hint: 'ask the administrator',
  });
}

function stateOf({ enrolment }: DeviceDetails): DeviceState {
  if (enrolment.revokedMs !== undefined) return DeviceState.REVOKED;
  return enrolment.blockedMs === undefined ? DeviceState.ENROLLED : DeviceState.BLOCKED;
}

function toWire(device: DeviceDetails) {
  const { enrolment, sighting } = device;
  const at = (ms: number | undefined) => (ms === undefined ? undefined : timestampFromMs(ms));
  return {
    deviceId: enrolment.deviceId,
    routeKey: enrolment.routeKey,
    name: enrolment.deviceName,
    user: enrolment.user,
    state: stateOf(device),
    appId: enrolment.appId,
    platform: enrolment.platform,
    appVersion: sighting?.app.version ?? '',
    osVersion: sighting?.app.osVersion ?? '',
    certDigest: sighting?.app.certDigest ?? '',
    posture: Object.fromEntries(
      Object.entries(sighting?.app.posture ?? {}).map(([name, value]) => [name, String(value)]),
    ),
    enrolledAt: timestampFromMs(enrolment.createdMs),
    lastSeenAt: at(sighting?.seenMs),
    blockedAt: at(enrolment.blockedMs),
    blockedBy: enrolment.blockedBy ?? '',
    revokedAt: at(enrolment.revokedMs),
    attestation: { ...(enrolment.attested && claimsOf(enrolment.attested)) },
  };
}
