import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import type { Db } from '#kernel/db/db.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Administrators } from '../authorize/administrators.ts';
import { canonicalUser } from '../directory/users.ts';
import type { Feed } from '../feed/feed.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { DataKeys } from './data-keys.ts';
import { type EnrolmentInfo, listEnrolments, revokeEnrolment } from './enrolments.ts';
import type { Keyring } from './keyring.ts';
import { makeActivation } from './make-activation.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import { requestRotation } from './rotate-enrolment.ts';

export interface KeyStoreDeps {
  readonly db: Db<SecurityTables>;
  readonly dataKeys: DataKeys;
  readonly keyring: Keyring;
  readonly feed: Feed;
  readonly admins: Administrators;
  readonly clock: Clock;
  /** Base URLs of the edges, for activation strings. */
  readonly edgeUrls: readonly string[];
}

type KeyStoreHandlers = Omit<Handlers<typeof KeyStore>, 'leaseSessionKey'>;

/** Keys for devices and verifiers to read, and for administrators to manage. Envoy says who may call what; this looks again. */
export function keyStoreService(deps: KeyStoreDeps): KeyStoreHandlers {
  return {
    getServerKeys: async () => {
      const { list, signature, identityKey } = deps.keyring.serverKeyList();
      return { keyList: list, signature, identityKey };
    },

    getJwks: async () => ({ jwksJson: JSON.stringify(deps.keyring.jwks()) }),

    createActivation: async (request, call) => {
      await deps.admins.admit(call);
      const { user, appId, ttlSeconds } = request;
      return deps.db.tx((trx) => makeActivation(deps, trx, { user, appId }, ttlSeconds), {
        idempotent: true,
        ...held(call),
      });
    },

    listSharedKeys: async (request, call) => {
      await deps.admins.admit(call);
      const after = request.pageToken === '' ? undefined : decodePageToken(request.pageToken);
      const list = (limit: number) =>
        deps.db.read(
          (db) =>
            listEnrolments(db, {
              user: request.user === '' ? undefined : canonicalUser(request.user),
              includeRevoked: request.includeRevoked,
              limit,
              after,
            }),
          held(call),
        );
      const { rows, nextPageToken } = await readPage(request.pageSize, list, encodePageToken);
      return { keys: rows.map(toInfo), nextPageToken };
    },

    rotateSharedKey: async ({ routeKey }, call) => {
      await deps.admins.admit(call);
      const info = await deps.db.tx((trx) => requestRotation(trx, routeKey), {
        idempotent: true,
        ...held(call),
      });
      return { key: toInfo(info) };
    },

    revokeSharedKey: async ({ routeKey, reason }, call) => {
      await deps.admins.admit(call);
      const entry = { kind: 'shared-key', subject: routeKey, reason } as const;
      const position = await deps.db.tx(
        async (trx) => {
          await revokeEnrolment(trx, routeKey, deps.clock.now());
          return deps.feed.append(entry, trx);
        },
        { idempotent: true, ...held(call) },
      );
      await deps.feed.announce(position, 'COMMITTED');
      return { position: BigInt(position) };
    },

    rotateRootKey: async (_request, call) => {
      await deps.admins.admit(call);
      return { status: await deps.dataKeys.rewrap() };
    },

    getRootKeyStatus: async (_request, call) => {
      await deps.admins.admit(call);
      return { status: await deps.dataKeys.status() };
    },
  };
}

function toInfo(info: EnrolmentInfo) {
  return {
    routeKey: info.routeKey,
    deviceId: info.deviceId,
    deviceName: info.deviceName,
    user: info.user,
    appId: info.appId,
    platform: info.platform,
    createdAt: timestampFromMs(info.createdMs),
    ...(info.revokedMs === undefined ? {} : { revokedAt: timestampFromMs(info.revokedMs) }),
    keyVersion: info.keyVersion,
    rotationPending: info.rotationPending,
  };
}
