import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { openMessage, testApp } from '../device-messages.ts';
import { keptClients } from '../kept-clients.ts';
import { ada, as, failsAs, operator, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';

const news = { method: 'GET', authority: 'intranet.example', path: '/news' };
const certDigest = Buffer.alloc(32, 7);
const resources = [
  {
    ...{ name: 'intranet', backend: 'intranet', hosts: ['intranet.example'] },
    rules: [{ name: 'staff', groups: ['staff'] }],
  },
];

describe('the app context of a session', function () {
  this.timeout(120_000);
  let bench: SecurityBench;
  let policies: GrpcClient<typeof Policy>;
  let proxies: readonly GrpcClient<typeof ProxyAuthorize>[];
  const { keep, close } = keptClients();

  before(async () => {
    bench = await securityBench();
    const at = (n: number) => podAt(bench.tier, n);
    policies = keep(
      createGrpcClient(Policy, { address: `unix:${at(0).connectSocket}`, defaultDeadlineMs: 30_000 }),
    );
    proxies = [0, 1].map((n) =>
      keep(
        createGrpcClient(ProxyAuthorize, {
          ...{ address: `unix:${at(n).grpcSocket}`, defaultDeadlineMs: 30_000 },
          metadata: as('proxy', 'proxy-0'),
        }),
      ),
    );
  });
  after(async () => {
    close();
    await bench?.close();
  });

  const decide = (n: number, id: string) =>
    (proxies[n] ?? assert.fail()).authorize({ subject: { case: 'sessionId', value: id }, request: news });
  /** Both pods decide by it when this returns. */
  const apply = async (apps: readonly object[] | undefined): Promise<void> => {
    const requestKey = randomUUID();
    const documentJson = JSON.stringify({ resources, ...(apps && { apps }) });
    // Of an app that all of these policies take.
    const probe = await open({ version: '9', certDigest });
    const { version } = await policies.applyPolicy({ requestKey, documentJson }, operator);
    for (const n of [0, 1]) {
      await waitFor(async () => ((await decide(n, probe.id)).grant?.policyVersion ?? 0n) >= version, {
        timeoutMs: 30_000,
        what: 'the policy',
      });
    }
  };
  const open = async (app: NonNullable<Parameters<typeof openMessage>[2]['app']> = {}) =>
    bench.send(await openMessage(bench.key, await bench.enrol(), { ...ada, app }));

  it('is looked at when a session is opened, before the password', async () => {
    await apply([{ id: testApp.appId, minVersion: '1.2', certDigests: [certDigest.toString('hex')] }]);
    await open({ certDigest });
    for (const [app, why] of [
      [{ certDigest, version: '1.1' }, 'APP_TOO_OLD'],
      [{ certDigest: Buffer.alloc(32, 8) }, 'APP_CERTIFICATE'],
      [{}, 'APP_CERTIFICATE'],
    ] as const) {
      await assert.rejects(open(app), (error) => {
        const { reason, metadata } = SallyportError.from(error);
        assert.deepEqual([reason, metadata.grant], ['APP_REFUSED', why]);
        return true;
      });
    }
    const wrong = { ...ada, password: 'wrong', app: { certDigest, version: '1.1' } };
    const message = await openMessage(bench.key, await bench.enrol(), wrong);
    await assert.rejects(bench.send(message), failsAs('APP_REFUSED'));
  });

  it('ends a session by its next request once the policy takes its app no more', async () => {
    await apply(undefined);
    const [old, recent] = [await open({ version: '1.1' }), await open({ version: '1.3' })];
    assert.equal((await decide(0, old.id)).grant?.allow, true);
    await apply([{ id: testApp.appId, minVersion: '1.2' }]);
    await assert.rejects(decide(0, old.id), (error) => {
      const { reason, message } = SallyportError.from(error);
      assert.equal(reason, 'APP_REFUSED');
      assert.match(message, /^\(APP_TOO_OLD\) .*1\.1/);
      return true;
    });
    await waitFor(
      () =>
        decide(1, old.id).then(
          () => false,
          (error) => SallyportError.from(error).reason === 'SESSION_REVOKED',
        ),
      { timeoutMs: 30_000, what: 'the session to be over everywhere' },
    );
    assert.equal((await decide(0, recent.id)).grant?.allow, true);
    const { reason } = await bench.db.read((db) =>
      db
        .selectFrom('revocations')
        .select('reason')
        .where('subject', '=', old.id.slice(0, old.id.lastIndexOf('.')))
        .executeTakeFirstOrThrow(),
    );
    assert.match(reason, /^APP_REFUSED \(APP_TOO_OLD\) /);
    // Nobody gets it back by a policy that would take it.
    await apply(undefined);
    await assert.rejects(decide(0, old.id), failsAs('SESSION_REVOKED'));
  });

  it('is kept of a sample of decisions, on which another policy is tried', async () => {
    await apply(undefined);
    const [plain, managed] = [await open({ version: '5.1' }), await open({ posture: { managed: 'yes' } })];
    for (const { id } of [plain, managed]) assert.equal((await decide(0, id)).grant?.allow, true);
    const [intranet] = resources;
    const rules = [{ name: 'managed', users: ['ada'], posture: { managed: 'yes' } }];
    const request = { documentJson: JSON.stringify({ resources: [{ ...intranet, rules }] }), dryRun: true };
    const told = await policies.applyPolicy({ ...request, requestKey: randomUUID() }, operator);
    // Both requests count: ada's devices differ.
    assert.deepEqual(
      told.recordedEffects.map(({ resource, gain, lose, example }) => ({ resource, gain, lose, example })),
      [{ resource: 'intranet', gain: [], lose: ['ada'], example: 'GET intranet.example/news' }],
    );
    assert.ok(told.decisions >= 2 && told.decisionsSince);
    const rows = await bench.db.read((db) =>
      db.selectFrom('recorded_decisions').select(['facts', 'reason']).execute(),
    );
    const kept = rows.map(({ facts, reason }) => ({ reason, app: JSON.parse(facts).session.app }));
    assert.ok(kept.some(({ reason, app }) => reason === 'ALLOWED' && app.version === '5.1'));
    assert.ok(kept.some(({ reason, app }) => reason === 'ALLOWED' && app.posture.managed === 'yes'));
    // What ended a session above, too.
    assert.ok(kept.some(({ reason }) => reason === 'APP_TOO_OLD'));
  });
});
