import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { loadPolicy } from '#core/policy/compile.ts';
import { explain } from '#core/policy/explain.ts';
import type { ExplainRequest, Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import type { Db } from '#kernel/db/db.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type Administrators, changeKey } from '../authorize/administrators.ts';
import type { PolicyStore } from '../authorize/policy-store.ts';
import { findUserDetails } from '../directory/read-users.ts';
import type { Feed } from '../feed/feed.ts';
import type { SessionStore } from '../session/session-store.ts';
import type { SecurityTables } from '../store/tables.ts';
import { applyPolicy, expectVersion, readPolicy } from './apply-policy.ts';
import { assertReachable, type ReachableGroup } from './assert-reachable.ts';
import { effectsOf } from './effects.ts';

export interface PolicyDeps {
  readonly db: Db<SecurityTables>;
  readonly policies: PolicyStore;
  readonly admins: Administrators;
  readonly list: Pick<SessionStore, 'list'>;
  readonly feed: Pick<Feed, 'isRevoked'>;
  /** Database time. */
  readonly clock: Clock;
  /** Groups of gateways, and what resources can be reached through each. */
  readonly gateways: readonly ReachableGroup[];
}

const defaultPage = 100;
const maxSessions = 5000;

/** The policy, for administrators. Envoy says who may call what; this looks again. */
export function policyService(deps: PolicyDeps): Handlers<typeof Policy> {
  const { db, policies, clock } = deps;
  return {
    getPolicy: async ({ version }, call) => {
      await deps.admins.admit(call);
      const found = await db.read((on) => readPolicy(on, Number(version)), held(call));
      if (found === undefined) {
        throw new SallyportError('NOT_FOUND', { message: 'there is no such version of the policy' });
      }
      return { version: toWire(found), documentJson: JSON.stringify(found.document) };
    },

    applyPolicy: async ({ requestKey, documentJson, dryRun, expectedVersion }, call) => {
      const by = await deps.admins.admit(call);
      const document = readJson(documentJson);
      const after = loadPolicy(document, 0);
      assertReachable(after, deps.gateways);
      const before = policies.current.policy;
      const listed = await deps.list.list({ liveOnly: true, limit: maxSessions });
      // What the feed has ended is not marked in its row.
      const sessions = listed.filter((row) => !deps.feed.isRevoked({ ...row, id: `${row.handle}.` }));
      const effects = await effectsOf(before, after, sessions, clock.now());
      const told = { effects, sessions: sessions.length };
      if (dryRun) {
        expectVersion(before.version, Number(expectedVersion));
        return { ...told, version: BigInt(before.version) };
      }
      const { version, unchanged } = await db.tx(
        (trx) =>
          applyPolicy(trx, {
            document,
            author: by.name.slice(0, 128),
            expectedVersion: Number(expectedVersion),
            nowMs: clock.now(),
          }),
        { key: changeKey(call, by, requestKey), ...held(call) },
      );
      // The others find it with their next look at the feed.
      await policies.refresh(version);
      return { ...told, version: BigInt(version), unchanged };
    },

    listVersions: async ({ pageSize, pageToken }, call) => {
      await deps.admins.admit(call);
      const limit = pageSize === 0 ? defaultPage : pageSize;
      const before = pageToken === '' ? undefined : Number(pageToken);
      if (before !== undefined && !Number.isSafeInteger(before)) {
        throw new SallyportError('INVALID_FIELD', {
          message: 'page_token is not one that this service gave',
        });
      }
      const rows = await db.read(
        (on) =>
          on
            .selectFrom('policies')
            .select(['version', 'author', 'created_ms'])
            .$if(before !== undefined, (q) => q.where('version', '<', before ?? 0))
            .orderBy('version', 'desc')
            .limit(limit + 1)
            .execute(),
        held(call),
      );
      const page = rows.slice(0, limit);
      return {
        versions: page.map((row) => toWire({ ...row, createdMs: row.created_ms })),
        nextPageToken: rows.length > limit ? String(page.at(-1)?.version ?? '') : '',
      };
    },

    explain: async (request, call) => {
      await deps.admins.admit(call);
      const user = await db.read((on) => findUserDetails(on, request.user), held(call));
      if (user === undefined) {
        throw new SallyportError('NOT_FOUND', { message: `there is no user "${request.user}"` });
      }
      const policy =
        request.documentJson === '' ? policies.current.policy : loadPolicy(readJson(request.documentJson), 0);
      const { grant, rules } = explain(
        { ...sessionOf(request, clock.now()), user: user.name, groups: user.groups },
        {
          method: request.method,
          authority: request.authority,
          path: request.path,
          ...(request.clientAddress !== '' && { clientAddress: request.clientAddress }),
        },
        policy,
        clock.now(),
      );
      return {
        allow: grant.allow,
        reason: grant.reason,
        explanation: grant.explain,
        resource: grant.resource ?? '',
        rule: grant.rule ?? '',
        policyVersion: BigInt(policy.version),
        groups: [...user.groups],
        rules: rules.map(({ rule, effect, matches, explain }) => ({
          rule,
          effect,
          matches,
          explanation: explain,
        })),
      };
    },
  };
}

const hourMs = 3_600_000;

/** A session as it would be if the user logged in now. */
function sessionOf({ app }: ExplainRequest, nowMs: number) {
  return {
    deviceId: app === undefined ? '' : 'explained',
    expiresAt: nowMs + hourMs,
    authLevel: 1,
    ...(app && {
      app: {
        platform: app.platform.toLowerCase(),
        appId: app.appId,
        version: app.version,
        certDigest: app.certDigest,
        osVersion: app.osVersion,
        posture: { ...app.posture },
      },
    }),
  };
}

/** @throws POLICY_INVALID */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new SallyportError('POLICY_INVALID', { message: 'document_json is not JSON', cause });
  }
}

const toWire = (policy: { version: number; author: string; createdMs: number }) => ({
  version: BigInt(policy.version),
  author: policy.author,
  createdAt: timestampFromMs(policy.createdMs),
});
