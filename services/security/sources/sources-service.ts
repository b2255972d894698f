import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { type Sources, SyncKind } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { Db } from '#kernel/db/db.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type Administrators, changeKey, requireRank } from '../authorize/administrators.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { keepToken, listTokens, newToken, revokeToken } from '../scim/tokens.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { ScimTokenRow } from '../store/tables-scim.ts';
import { orderRun, readRun } from './run-store.ts';
import { settingsFromText } from './settings.ts';
import { accessTo, type ListedSource, listSources, noSource, putSource } from './source-store.ts';
import { testHost } from './test-host.ts';

export interface SourcesDeps {
  readonly pod: string;
  readonly db: Db<SecurityTables>;
  readonly dataKeys: DataKeys;
  readonly admins: Administrators;
  /** Database time. */
  readonly clock: Clock;
  readonly runner: { look(): void };
}

/** Directories and their synchronisation, for administrators. Envoy says who may call what; this looks again. */
export function sourcesService(deps: SourcesDeps): Handlers<typeof Sources> {
  const { db, dataKeys, clock } = deps;
  return {
    listSources: async (_request, call) => {
      await deps.admins.admit(call);
      const rows = await db.read((on) => listSources(on), held(call));
      return { sources: rows.map(toWire) };
    },

    getSource: async ({ name }, call) => {
      await deps.admins.admit(call);
      const [row] = await db.read((on) => listSources(on, name), held(call));
      if (row === undefined) throw noSource(name);
      return { source: toWire(row) };
    },

    putSource: async ({ requestKey, name, settings, password, revision }, call) => {
      const by = await deps.admins.admit(call);
      if (settings === undefined) throw new SallyportError('MALFORMED');
      const put = { name, settings, password, revision };
      await db.tx(
        async (trx) => {
          await putSource(trx, dataKeys, put);
        },
        { key: changeKey(call, by, requestKey), ...held(call) },
      );
      deps.runner.look();
      const [row] = await db.read((on) => listSources(on, name), held(call));
      if (row === undefined) throw noSource(name);
      return { source: toWire(row) };
    },

    testSource: async ({ name }, call) => {
      await deps.admins.admit(call);
      const source = await accessTo({ db, dataKeys }, name, held(call));
      const hosts = await Promise.all(
        source.settings.urls.map((url) => testHost(source, url, clock, call.signal)),
      );
      return { hosts, pod: deps.pod };
    },

    startSync: async ({ requestKey, source, kind, dryRun, confirm }, call) => {
      const by = await deps.admins.admit(call);
      if (kind === SyncKind.RETIRE) requireRank(by, 'security-officer', 'removing a source');
      const order = { source, kind, dryRun, confirm, orderedBy: by.name };
      const id = await db.tx(async (trx) => (await orderRun(trx, order, clock.now())).id, {
        key: changeKey(call, by, requestKey),
        ...held(call),
      });
      deps.runner.look();
      return { id };
    },

    getSync: async ({ id }, call) => {
      await deps.admins.admit(call);
      return { run: await db.read((on) => readRun(on, id), held(call)) };
    },

    createScimToken: async ({ source, label, lifetimeSeconds }, call) => {
      const by = await deps.admins.admit(call);
      const nowMs = clock.now();
      const made = newToken({
        source,
        label,
        created_by: by.name,
        created_ms: nowMs,
        expires_ms: lifetimeSeconds === 0 ? null : nowMs + lifetimeSeconds * 1000,
      });
      await db.tx((trx) => keepToken(trx, made.row), { idempotent: true, ...held(call) });
      return { id: made.row.id, token: made.token };
    },

    listScimTokens: async ({ source }, call) => {
      await deps.admins.admit(call);
      const rows = await db.read((on) => listTokens(on, source), held(call));
      return { tokens: rows.map(tokenToWire) };
    },

    revokeScimToken: async ({ id }, call) => {
      await deps.admins.admit(call);
      await db.tx((trx) => revokeToken(trx, id), { idempotent: true, ...held(call) });
      return {};
    },

    cancelSync: async ({ id }, call) => {
      await deps.admins.admit(call);
      await db.tx(
        async (trx) => {
          await readRun(trx, id);
          await trx.updateTable('sync_runs').set({ cancelled: 1 }).where('id', '=', id).execute();
        },
        { idempotent: true, ...held(call) },
      );
      return {};
    },
  };
}

const tokenToWire = (row: ScimTokenRow) => ({
  id: row.id,
  source: row.source,
  label: row.label,
  createdBy: row.created_by,
  createdAt: timestampFromMs(row.created_ms),
  ...(row.expires_ms !== null && { expiresAt: timestampFromMs(row.expires_ms) }),
  ...(row.used_ms !== null && { usedAt: timestampFromMs(row.used_ms) }),
});

function toWire(row: ListedSource) {
  return {
    name: row.name,
    settings: settingsFromText(row.settings),
    revision: row.revision,
    hasPassword: row.sealed_password !== null,
    users: Number(row.users),
    groups: Number(row.groups) + Number(row.pushed_groups),
    ...(row.synced_ms !== null && { syncedAt: timestampFromMs(row.synced_ms) }),
    ...(row.full_ms !== null && { fullAt: timestampFromMs(row.full_ms) }),
    lastRun: row.last_run ?? '',
    takenLately: Number(row.taken_lately),
  };
}
