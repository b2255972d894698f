import { SallyportError } from '#core/errors/error.ts';
import type {
  AppCatalog,
  ChannelName,
  CommitUploadRequest,
  ReleaseName,
} from '#gen/sallyport/catalog/v1/catalog_pb.js';
import type { Db, TxOptions } from '#kernel/db/db.ts';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type Administrators, changeKey } from '../authorize/administrators.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { readPolicy } from '../policy/apply-policy.ts';
import { assertNotInPolicy } from '../policy/versions-once.ts';
import { lockRow } from '../store/locks.ts';
import type { SecurityTables } from '../store/tables.ts';
import { rotateKeys } from './publish.ts';
import { findRelease, listReleases, type ReleaseKey, removeRelease } from './releases.ts';
import { type ChannelKey, findChannel, haltRollout, listChannels, rollBack, setRollout } from './rollouts.ts';
import { beginUpload, checkUpload, chunkBytes, commitUpload, putChunk, readChunk } from './uploads.ts';
import { channelToWire, releaseToWire, rulesToWire } from './wire.ts';

export interface CatalogDeps {
  readonly db: Db<SecurityTables>;
  readonly dataKeys: DataKeys;
  readonly admins: Administrators;
  /** Database time. */
  readonly clock: Clock;
}

type Trx = Parameters<Parameters<Db<SecurityTables>['tx']>[0]>[0];

/** The app catalogue, for administrators. Envoy says who may call what; this looks again. */
export function catalogService({ db, dataKeys, admins, clock }: CatalogDeps): Handlers<typeof AppCatalog> {
  const context = () => ({ dataKeys, nowMs: clock.now() });
  /** All changes may be made twice: the second time changes nothing, or says the same. */
  const change = async <T>(
    call: CallContext,
    body: (trx: Trx) => Promise<T>,
    options: TxOptions = {},
  ): Promise<T> => {
    return db.tx(body, { idempotent: true, ...held(call), ...options });
  };
  const changeChannel = async (
    call: CallContext,
    name: ChannelName | undefined,
    body: (trx: Trx, key: ChannelKey) => Promise<void>,
  ) => {
    await admins.admit(call);
    const key = required(name);
    const row = await change(call, async (trx) => {
      await body(trx, key);
      return findChannel(trx, key);
    });
    return { channel: channelToWire(row) };
  };

  return {
    beginUpload: async (request, call) => {
      await admins.admit(call);
      const name = { ...required(request.name), fromVersion: request.fromVersion };
      const upload = {
        sha256: Buffer.from(request.sha256),
        length: Number(request.length),
        nowMs: clock.now(),
      };
      return { chunkBytes, nextChunk: await change(call, (trx) => beginUpload(trx, name, upload)) };
    },

    putChunk: async ({ sha256, index, data }, call) => {
      await admins.admit(call);
      await change(call, (trx) => putChunk(trx, Buffer.from(sha256), index, data));
      return {};
    },

    commitUpload: async (request, call) => {
      const by = await admins.admit(call);
      const sha256 = Buffer.from(request.sha256);
      const { length } = await checkUpload((read) => db.read(read, held(call)), sha256);
      const release = await change(call, (trx) => commit(trx, request, { sha256, length, author: by.name }));
      return { release: releaseToWire(release) };
    },

    readChunk: async ({ sha256, index }, call) => {
      await admins.admit(call);
      const data = await db.read((on) => readChunk(on, Buffer.from(sha256), index), held(call));
      if (data === undefined) throw new SallyportError('NOT_FOUND', { message: 'there is no such piece' });
      return { data };
    },

    listReleases: async ({ appId, pageSize, pageToken }, call) => {
      await admins.admit(call);
      const page = {
        ...(appId !== '' && { appId }),
        ...(pageToken !== '' && { after: readToken(pageToken) }),
      };
      const { rows, nextPageToken } = await readPage(
        pageSize,
        (limit) => db.read((on) => listReleases(on, { ...page, limit }), held(call)),
        (last) => [last.created_ms, last.app_id, last.platform, last.version].join(' '),
      );
      return { releases: rows.map(releaseToWire), nextPageToken };
    },

    listChannels: async ({ appId }, call) => {
      await admins.admit(call);
      return db.read(async (on) => {
        const rules = await on
          .selectFrom('catalog_versions')
          .selectAll()
          .$if(appId !== '', (q) => q.where('app_id', '=', appId))
          .orderBy('app_id')
          .orderBy('platform')
          .limit(1000)
          .execute();
        const channels = await listChannels(on, appId);
        return { channels: channels.map(channelToWire), rules: rules.map(rulesToWire) };
      }, held(call));
    },

    setRollout: ({ name, ...rollout }, call) =>
      changeChannel(call, name, (trx, key) => setRollout(trx, key, rollout, clock.now())),

    haltRollout: ({ name, why }, call) =>
      changeChannel(call, name, (trx, key) => haltRollout(trx, key, why, clock.now())),

    rollBack: ({ name, version }, call) =>
      changeChannel(call, name, (trx, key) => rollBack(trx, key, version, context())),

    setVersions: async ({ rules }, call) => {
      await admins.admit(call);
      const { appId, platform, minVersion, blocked } = required(rules);
      const set = { min_version: minVersion, blocked_json: JSON.stringify(blocked) };
      await change(call, async (trx) => {
        await lockRow(trx, 'policy');
        const policy = minVersion === '' && blocked.length === 0 ? undefined : await readPolicy(trx, 0);
        if (policy !== undefined) assertNotInPolicy(policy.document, appId);
        const row = { app_id: appId, platform, ...set };
        await trx.insertInto('catalog_versions').values(row).onDuplicateKeyUpdate(set).execute();
      });
      return {};
    },

    removeRelease: async ({ name }, call) => {
      await admins.admit(call);
      await change(call, (trx) => removeRelease(trx, required(name), context()));
      return {};
    },

    rotateKeys: async ({ requestKey, role }, call) => {
      const by = await admins.admit(call);
      const key = changeKey(call, by, requestKey);
      const keyId = await change(call, (trx) => rotateKeys(trx, role, context()), { key });
      if (keyId === undefined) throw new SallyportError('NOT_FOUND', { message: `there is no role ${role}` });
      return { keyId };
    },
  };

  async function commit(
    trx: Trx,
    { name, fromVersion, notes }: CommitUploadRequest,
    checked: { readonly sha256: Buffer; readonly length: number; readonly author: string },
  ) {
    const key = required(name);
    await commitUpload(trx, { ...key, fromVersion, notes, ...checked }, context());
    return findRelease(trx, key);
  }
}

/** @throws MALFORMED */
function required<T extends ReleaseName | ChannelName | object>(field: T | undefined): T {
  if (field === undefined) throw new SallyportError('MALFORMED');
  return field;
}

/** @throws INVALID_FIELD */
function readToken(token: string): ReleaseKey & { createdMs: number } {
  const [created, appId, platform, version] = token.split(' ');
  if (!Number.isSafeInteger(Number(created)) || !appId || !platform || !version) {
    throw new SallyportError('INVALID_FIELD', { message: 'page_token is not one that this service gave' });
  }
  return { createdMs: Number(created), appId, platform, version };
}
