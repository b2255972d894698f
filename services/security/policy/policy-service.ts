import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import { loadPolicy } from '#core/policy/compile.ts';
import { explain } from '#core/policy/explain.ts';
import type { ExplainRequest, Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import type { Db } from '#kernel/db/db.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { held } from '#kernel/rpc/hold.ts';
import { readPage } from '#kernel/rpc/page.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { type Administrators, changeKey } from '../authorize/administrators.ts';
import type { PolicyStore } from '../authorize/policy-store.ts';
import { findUserDetails } from '../directory/read-users.ts';
import type { Feed } from '../feed/feed.ts';
import type { SessionStore } from '../session/session-store.ts';
import type { SecurityTables } from '../store/tables.ts';
import { applyPolicy, expectVersion, type PolicyRecord, readPolicy } from './apply-policy.ts';
import { assertReachable, type Reachable } from './assert-reachable.ts';
import type { DecisionSample } from './decision-sample.ts';
import { dryRun } from './dry-run.ts';
import { proposalHandlers } from './proposals-service.ts';
import { assertNotInCatalogue } from './versions-once.ts';
import { readJson, readToken } from './wire.ts';

export interface PolicyDeps extends Reachable {
  readonly db: Db<SecurityTables>;
  readonly policies: PolicyStore;
  readonly admins: Administrators;
  readonly list: Pick<SessionStore, 'list'>;
  readonly feed: Pick<Feed, 'isRevoked'>;
  readonly sample: Pick<DecisionSample, 'flush'> | undefined;
  /** Database time. */
  readonly clock: Clock;
  /** on: what one proposes another one signs. */
  readonly signOff: 'on' | 'off';
  readonly log: Logger;
}

/** The policy, for administrators. Envoy says who may call what; this looks again. */
export function policyService(deps: PolicyDeps): Handlers<typeof Policy> {
  const { db, policies, clock } = deps;
  return {
    ...proposalHandlers(deps),

    getPolicy: async ({ version }, call) => {
      await deps.admins.admit(call);
      const found = await db.read((on) => readPolicy(on, Number(version)), held(call));
      if (found === undefined) {
        throw new SallyportError('NOT_FOUND', { message: 'there is no such version of the policy' });
      }
      return { version: toWire(found), documentJson: JSON.stringify(found.document) };
    },

    applyPolicy: async ({ requestKey, documentJson, dryRun: only, expectedVersion }, call) => {
      const by = await deps.admins.admit(call);
      const document = readJson(documentJson);
      const after = loadPolicy(document, 0);
      assertReachable(after, deps);
      if (!only && deps.signOff === 'on') throw new SallyportError('POLICY_UNSIGNED');
      const told = await dryRun(deps, after);
      if (only) {
        const before = policies.current.policy;
        expectVersion(before.version, Number(expectedVersion));
        await db.read((on) => assertNotInCatalogue(on, document), held(call));
        return { ...told, version: BigInt(before.version) };
      }
      const { version, unchanged } = await db.tx(
        (trx) =>
          applyPolicy(trx, {
            document,
            author: by.name,
            expectedVersion: Number(expectedVersion),
            nowMs: clock.now(),
          }),
        { key: changeKey(call, by, requestKey), ...held(call) },
      );
      // The others find it with their next look at the feed.
      await policies.refresh(version);
      return { ...told, version: BigInt(version), unchanged };
    },

    listVersions: async (request, call) => {
      await deps.admins.admit(call);
      const before = readToken(request.pageToken);
      const list = (limit: number) =>
        db.read(
          (on) =>
            on
              .selectFrom('policies')
              .select(['version', 'author', 'created_ms', 'signed_by'])
              .$if(before !== undefined, (q) => q.where('version', '<', before ?? 0))
              .orderBy('version', 'desc')
              .limit(limit)
              .execute(),
          held(call),
        );
      const { rows, nextPageToken } = await readPage(request.pageSize, list, ({ version }) =>
        String(version),
      );
      return {
        versions: rows.map((row) => toWire({ ...row, createdMs: row.created_ms, signedBy: row.signed_by })),
        nextPageToken,
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
          ...(request.site !== '' && { site: request.site }),
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

const toWire = (policy: Omit<PolicyRecord, 'document'>) => ({
  version: BigInt(policy.version),
  author: policy.author,
  createdAt: timestampFromMs(policy.createdMs),
  signedBy: policy.signedBy ?? '',
});
