import assert from 'node:assert/strict';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import { GrantSchema, RevocationKind } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Attachments } from './attachments.ts';
import { Authorizer } from './authorizer.ts';
import { PolicyHolder } from './policy-holder.ts';
import { Revocations } from './revocations.ts';
import { givenAttachment, givenEntry, givenLease, type LeaseParts } from './test/given.ts';
import { WorkScope } from './work-scope.ts';

const documentFor = (group: string) =>
  JSON.stringify({
    resources: [
      {
        name: 'intranet',
        backend: 'web',
        hosts: ['*.intranet.example', 'intranet.example'],
        limits: { maxBodyBytes: 1000 },
        rules: [{ name: 'staff', groups: [group] }],
      },
    ],
  });
const page: RequestFacts = { method: 'GET', authority: 'Intranet.example:443', path: '/' };

/** The tier: answers by its knobs, after the promise if there is one. */
class Tier {
  asked: RequestFacts[] = [];
  lease: LeaseParts = {};
  grant: MessageInitShape<typeof GrantSchema> = {};
  fault: SallyportError | undefined;
  until: Promise<void> | undefined;
  readonly clock: ManualClock;

  constructor(clock: ManualClock) {
    this.clock = clock;
  }

  readonly authorize = async (_: unknown, request: RequestFacts) => {
    this.asked.push(request);
    const lease = givenLease(this.clock, this.lease);
    await this.until;
    if (this.fault) throw this.fault;
    const grant = create(GrantSchema, {
      allow: true,
      resource: 'intranet',
      backend: 'web',
      assertion: `jwt ${this.asked.length}`,
      assertionExpiresAtMs: BigInt(this.clock.now() + 60_000),
      policyVersion: 1n,
      ...this.grant,
    });
    return { grant, lease };
  };
}

function given(lease: LeaseParts = {}) {
  const clock = new ManualClock();
  const tier = new Tier(clock);
  const policies = new PolicyHolder(clock, silentLogger);
  policies.offer(1, documentFor('staff'));
  const attachments = new Attachments({ maxAttachments: 10, maxPerSession: 10, idleMs: 1e9 });
  const revocations = new Revocations(attachments);
  const failed: string[] = [];
  const authorizer = new Authorizer({
    tier,
    policies,
    revocations,
    clock,
    failedGateways: () => failed,
    assertHere: () => {},
    onEnded: (each, error) => attachments.remove(each, error),
  });
  const attachment = givenAttachment(clock, lease);
  attachments.add(attachment);
  const reason = (): ErrorReason | undefined => attachment.ended.reason?.reason;
  return { clock, tier, policies, revocations, authorizer, attachment, reason };
}

describe('admitting a request', () => {
  it('asks for an assertion once, then decides here', async () => {
    const { authorizer, attachment, tier } = given();
    assert.deepEqual(await authorizer.admit(attachment, page), {
      backend: 'web',
      gateway: undefined,
      authority: 'intranet.example',
      maxBodyBytes: 1000,
      assertion: 'jwt 1',
    });
    assert.equal((await authorizer.admit(attachment, page)).assertion, 'jwt 1');
    assert.deepEqual(tier.asked, [page]);
    const byName = await authorizer.admit(attachment, { ...page, authority: 'intranet' });
    assert.equal(byName.authority, 'intranet.example', 'the first host without a wildcard');
  });

  it('ends a session whose app a newer policy does not take, and has the tier end it', async () => {
    const { authorizer, attachment, tier, policies, reason, clock } = given({ app: '1.1' });
    tier.lease = { app: '1.1' };
    await authorizer.admit(attachment, page);
    const apps = [{ id: 'com.example.field', minVersion: '1.2' }];
    policies.offer(2, JSON.stringify({ ...JSON.parse(documentFor('staff')), apps }));
    await assert.rejects(
      authorizer.admit(attachment, page),
      (error) => error instanceof SallyportError && /^\(APP_TOO_OLD\) /.test(error.message),
    );
    await clock.advance(0);
    assert.equal(reason(), 'APP_REFUSED');
    assert.equal(tier.asked.length, 2);
  });

  it('asks again when only the level of authentication is missing, and goes on once it is there', async () => {
    const { authorizer, attachment, tier, policies } = given();
    const document = JSON.parse(documentFor('staff'));
    document.resources[0].rules[0].minAuthLevel = 2;
    policies.offer(2, JSON.stringify(document));
    const isDenied = (error: unknown) =>
      error instanceof SallyportError && error.metadata.grant === 'STEP_UP';
    await assert.rejects(authorizer.admit(attachment, page), isDenied);
    assert.equal(tier.asked.length, 1);
    tier.lease = { authLevel: 2 };
    tier.grant = { policyVersion: 2n };
    assert.equal((await authorizer.admit(attachment, page)).backend, 'web');
    assert.equal(tier.asked.length, 2);
  });

  it('asks once for all who wait for the same', async () => {
    const { authorizer, attachment, tier, clock } = given();
    const gate = Promise.withResolvers<void>();
    tier.until = gate.promise;
    const both = [1, 2, 3].map(() => authorizer.admit(attachment, page));
    await clock.advance(0);
    gate.resolve();
    assert.deepEqual(
      (await Promise.all(both)).map(({ assertion }) => assertion),
      ['jwt 1', 'jwt 1', 'jwt 1'],
    );
    assert.equal(tier.asked.length, 1);
  });

  it('asks ahead for an assertion that its lease would outlive', async () => {
    const { authorizer, attachment, tier, clock } = given({ durationMs: 1_000_000 });
    tier.lease = { durationMs: 1_000_000 };
    await authorizer.admit(attachment, page);
    await clock.advance(5999);
    await authorizer.admit(attachment, page);
    assert.equal(tier.asked.length, 1);
    const gate = Promise.withResolvers<void>();
    tier.until = gate.promise;
    await clock.advance(1);
    assert.equal((await authorizer.admit(attachment, page)).assertion, 'jwt 1');
    assert.equal(tier.asked.length, 2);
    gate.resolve();
    await clock.advance(0);
    assert.equal((await authorizer.admit(attachment, page)).assertion, 'jwt 2');
  });

  it('shows no assertion that is about to run out', async () => {
    const { authorizer, attachment, tier, clock } = given({ durationMs: 1_000_000 });
    tier.lease = { durationMs: 1_000_000 };
    await authorizer.admit(attachment, page);
    await clock.advance(50_000);
    assert.equal((await authorizer.admit(attachment, page)).assertion, 'jwt 2');
  });

  it('renews ahead of time, once at a time, without making anybody wait', async () => {
    const { authorizer, attachment, tier, clock } = given();
    await authorizer.admit(attachment, page);
    await clock.advance(6000);
    const gate = Promise.withResolvers<void>();
    tier.until = gate.promise;
    await authorizer.admit(attachment, page);
    await authorizer.admit(attachment, page);
    assert.equal(tier.asked.length, 2);
    gate.resolve();
    await clock.advance(5000);
    assert.equal(attachment.lease.live, true, 'it counts from when it was asked for');
    await clock.advance(5000);
    assert.equal(attachment.lease.live, false);
  });

  it('begins nothing under a lease that is about to end when there is another', async () => {
    const { authorizer, attachment, tier, clock } = given();
    await authorizer.admit(attachment, page);
    await clock.advance(9600);
    const gate = Promise.withResolvers<void>();
    tier.until = gate.promise;
    let admitted = false;
    const admitting = authorizer.admit(attachment, page).then(() => {
      admitted = true;
    });
    await clock.advance(300);
    assert.equal(admitted, false);
    gate.resolve();
    await admitting;
    await clock.advance(1000);
    attachment.assertLive();
  });

  it('without a lease asks first, and fails closed', async () => {
    const { authorizer, attachment, tier, clock, reason } = given();
    await authorizer.admit(attachment, page);
    await clock.advance(10_000);
    for (const fault of ['UNAVAILABLE', 'DEADLINE', 'STALE', 'INTERNAL', 'CALLER_NOT_ALLOWED'] as const) {
      tier.fault = new SallyportError(fault);
      await assert.rejects(authorizer.admit(attachment, page), { reason: 'LEASE_LOST', retryAfterMs: 500 });
    }
    assert.equal(reason(), undefined);
    tier.fault = undefined;
    tier.lease = { durationMs: 0 };
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'LEASE_LOST' });
    tier.lease = {};
    await authorizer.admit(attachment, page);
  });

  it('goes on while the tier is away and the lease lives; a lease that runs out ends what goes on under it', async () => {
    const { authorizer, attachment, tier, clock, reason } = given();
    await authorizer.admit(attachment, page);
    tier.fault = new SallyportError('UNAVAILABLE');
    await clock.advance(9000);
    await authorizer.admit(attachment, page);
    await clock.advance(500);
    assert.equal(reason(), undefined);
    const gate = Promise.withResolvers<void>();
    tier.until = gate.promise;
    const scope = new WorkScope();
    attachment.use(scope);
    authorizer.renewAhead(attachment);
    await clock.advance(500);
    gate.resolve();
    await clock.advance(0);
    assert.equal(SallyportError.from(scope.reason).reason, 'LEASE_LOST');
    assert.equal(reason(), undefined);
    tier.fault = undefined;
    await authorizer.admit(attachment, page);
  });

  it('ends the attachment when the session is over, and only then', async () => {
    for (const over of ['SESSION_REVOKED', 'SESSION_EXPIRED', 'SESSION_UNKNOWN'] as const) {
      const { authorizer, attachment, tier, reason } = given();
      tier.fault = new SallyportError(over);
      await assert.rejects(authorizer.admit(attachment, page), { reason: over });
      assert.equal(reason(), over);
    }
    const { authorizer, attachment, tier, reason } = given();
    tier.fault = new SallyportError('TOKEN_INVALID');
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'LEASE_LOST' });
    tier.fault = new SallyportError('REQUEST_INVALID');
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'REQUEST_INVALID' });
    assert.equal(reason(), undefined);
  });

  it('denies what the policy here denies, and what the tier denies', async () => {
    const { authorizer, attachment, tier } = given();
    await assert.rejects(authorizer.admit(attachment, { ...page, authority: 'x.example' }), {
      reason: 'RESOURCE_UNKNOWN',
    });
    await assert.rejects(authorizer.admit(attachment, { ...page, authority: 'a@b' }), {
      reason: 'REQUEST_INVALID',
    });
    const outsider = given({ groups: ['guests'] });
    await assert.rejects(outsider.authorizer.admit(outsider.attachment, page), { reason: 'POLICY_DENIED' });
    assert.equal(outsider.tier.asked.length, 0);
    tier.grant = { allow: false, assertion: '', reason: 'APP_TOO_OLD', explanation: 'your app is too old' };
    await assert.rejects(authorizer.admit(attachment, page), {
      reason: 'POLICY_DENIED',
      message: 'your app is too old',
      metadata: { grant: 'APP_TOO_OLD' },
    });
  });

  it('does not take the denial of a pod that has not learnt of the policy here', async () => {
    const { authorizer, attachment, policies, tier } = given();
    policies.offer(2, documentFor('staff'));
    tier.grant = { policyVersion: 1n, allow: false, assertion: '', reason: 'NO_RULE' };
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'UNAVAILABLE', retryAfterMs: 500 });
    tier.grant = { policyVersion: 2n, allow: false, assertion: '', reason: 'NO_RULE' };
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'POLICY_DENIED' });
  });

  it('never decides by an older policy than a lease was given under', async () => {
    const { authorizer, attachment, policies, clock, tier } = given({ policyVersion: 2 });
    const waiting = authorizer.admit(attachment, page);
    await clock.advance(100);
    policies.offer(2, documentFor('others'));
    await assert.rejects(waiting, { reason: 'POLICY_DENIED' });
    assert.equal(tier.asked.length, 0);
  });

  it('has the tier decide while the policy does not come', async () => {
    const { authorizer, attachment, policies, clock, tier } = given({ policyVersion: 2 });
    tier.lease = { policyVersion: 2 };
    tier.grant = { policyVersion: 2n };
    policies.offer(2, 'not for this release');
    const unset = { gateway: undefined, maxBodyBytes: undefined };
    const expected = { backend: 'web', authority: 'intranet.example', ...unset };
    assert.deepEqual(await authorizer.admit(attachment, page), { ...expected, assertion: 'jwt 1' });
    assert.deepEqual(await authorizer.admit(attachment, page), { ...expected, assertion: 'jwt 2' });
    tier.grant = { policyVersion: 2n, allow: false };
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'POLICY_DENIED' });
    tier.grant = { policyVersion: 1n };
    tier.lease = { policyVersion: 1 };
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'UNAVAILABLE' });
    assert.equal(clock.waiting, 0);
  });

  it('shows no assertion for another resource than the one decided', async () => {
    const { authorizer, attachment, tier } = given();
    tier.grant = { resource: 'another' };
    await assert.rejects(authorizer.admit(attachment, page), { reason: 'UNAVAILABLE' });
  });

  it('asks anew under a new policy', async () => {
    const { authorizer, attachment, policies, tier } = given();
    await authorizer.admit(attachment, page);
    policies.offer(2, documentFor('staff'));
    tier.grant = { policyVersion: 2n };
    assert.equal((await authorizer.admit(attachment, page)).assertion, 'jwt 2');
    assert.equal((await authorizer.admit(attachment, page)).assertion, 'jwt 2');
  });

  it('takes no renewal that a revocation has overtaken', async () => {
    const { authorizer, attachment, tier, revocations, clock, reason } = given({ feedPosition: 10 });
    const gate = Promise.withResolvers<void>();
    tier.until = gate.promise;
    const waiting = assert.rejects(authorizer.admit(attachment, page), { reason: 'SESSION_REVOKED' });
    await clock.advance(0);
    revocations.carryOut(givenEntry(11, RevocationKind.USER, 'ada'));
    gate.resolve();
    await waiting;
    assert.equal(reason(), 'SESSION_REVOKED');
  });
});
