import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { type Attachment, leaseLost } from './attachment.ts';
import { Attachments } from './attachments.ts';
import { epochOf, givenAttachment, givenLease } from './test/given.ts';
import { WorkScope } from './work-scope.ts';

const limits = { maxAttachments: 3, maxPerSession: 2, idleMs: 60_000 };
const reason = (attachment: Attachment) => attachment.ended.reason?.reason;

describe('attachments', () => {
  it('are found by session and epoch together', () => {
    const all = new Attachments(limits);
    const one = givenAttachment(new ManualClock(), { session: 'a' });
    all.add(one);
    assert.equal(all.find('a.mac', epochOf(one)), one);
    assert.throws(() => all.find('b.mac', epochOf(one)), { reason: 'ATTACH_REQUIRED' });
    assert.throws(() => all.find('a.mac', new Uint8Array(16)), { reason: 'ATTACH_REQUIRED' });
  });

  it('never share an epoch', () => {
    const all = new Attachments(limits);
    const clock = new ManualClock();
    const first = givenAttachment(clock, { epoch: 70_000 });
    all.add(first);
    assert.throws(() => all.add(givenAttachment(clock, { epoch: 70_000 })), { reason: 'INTERNAL' });
    assert.equal(all.find(first.sessionId, epochOf(first)), first);
  });

  it('of one session: the oldest makes room', () => {
    const all = new Attachments(limits);
    const clock = new ManualClock();
    const [first, second, third] = [givenAttachment(clock), givenAttachment(clock), givenAttachment(clock)];
    for (const each of [first, second, third]) all.add(each);
    assert.equal(reason(first), 'ATTACH_REQUIRED');
    assert.deepEqual([...all], [second, third]);
    assert.throws(() => first.sealer.sealStream(new Uint8Array()), { reason: 'ATTACH_REQUIRED' });
  });

  it('in all: the one found longest ago makes room, unless it is in use', () => {
    const all = new Attachments(limits);
    const clock = new ManualClock();
    const [a, b, c] = ['a', 'b', 'c'].map((session) => givenAttachment(clock, { session }));
    assert.ok(a && b && c);
    for (const each of [a, b, c]) all.add(each);
    all.find('a.mac', epochOf(a));
    const done = b.use();
    all.add(givenAttachment(clock, { session: 'd' }));
    assert.equal(reason(c), 'ATTACH_REQUIRED');
    assert.equal(all.size, 3);
    const others = [...all].map((each) => each.use());
    assert.throws(() => all.add(givenAttachment(clock, { session: 'e' })), { reason: 'OVERLOADED' });
    for (const end of [done, ...others]) end();
    all.add(givenAttachment(clock, { session: 'e' }));
    assert.equal(reason(b), 'ATTACH_REQUIRED');
  });

  it('are forgotten when nobody uses them', async () => {
    const all = new Attachments(limits);
    const clock = new ManualClock();
    const [idle, busy] = [givenAttachment(clock, { session: 'a' }), givenAttachment(clock, { session: 'b' })];
    all.add(idle);
    all.add(busy);
    const done = busy.use();
    await clock.advance(60_001);
    all.sweep();
    assert.deepEqual([...all], [busy]);
    done();
    done();
    assert.equal(busy.inUse, false);
    await clock.advance(59_999);
    all.sweep();
    assert.equal(all.size, 1);
    await clock.advance(2);
    all.sweep();
    assert.equal(all.size, 0);
  });

  it('end once, and for the first reason', () => {
    const all = new Attachments(limits);
    const one = givenAttachment(new ManualClock());
    all.add(one);
    all.remove(one, new SallyportError('SESSION_REVOKED'));
    all.remove(one, new SallyportError('ATTACH_REQUIRED'));
    one.end(new SallyportError('LEASE_LOST'));
    assert.throws(() => one.assertLive(), { reason: 'SESSION_REVOKED' });
    one.keepAssertion('r', { jwt: 'j', expiresAtMs: 1, policyVersion: 1, sinceMs: 0 });
    assert.equal(one.assertionFor('r'), undefined);
  });

  it('stay when a lease is lost, which is told before what goes on ends', () => {
    const all = new Attachments(limits);
    const one = givenAttachment(new ManualClock());
    all.add(one);
    const scope = new WorkScope();
    one.use(scope);
    const goingOn: boolean[] = [];
    const stop = one.onLeaseLost(() => void goingOn.push(!scope.givenUp));
    one.loseLease(leaseLost());
    assert.deepEqual(goingOn, [true]);
    assert.equal(SallyportError.from(scope.reason).reason, 'LEASE_LOST');
    assert.equal(one.ended.aborted, false);
    stop();
    one.loseLease(leaseLost());
    all.remove(one, new SallyportError('SESSION_REVOKED'));
    one.onLeaseLost(() => void goingOn.push(false));
    one.loseLease(leaseLost());
    assert.deepEqual(goingOn, [true]);
  });
});

describe('a lease', () => {
  it('counts from when the proxy asked, by the larger of both clocks', async () => {
    const clock = new ManualClock();
    const one = givenAttachment(clock, { durationMs: 10_000 });
    await clock.advance(5999);
    assert.deepEqual([one.lease.live, one.lease.renewalDue], [true, false]);
    await clock.advance(1);
    assert.equal(one.lease.renewalDue, true);
    clock.jumpWall(-100_000);
    assert.equal(one.lease.live, true);
    await clock.advance(4000);
    assert.throws(() => one.assertLive(), { reason: 'LEASE_LOST' });
    const other = givenAttachment(clock, { durationMs: 10_000 });
    clock.jumpWall(10_000);
    assert.equal(other.lease.live, false, 'the machine slept');
  });

  it('is none without a time or facts', () => {
    assert.throws(() => givenLease(new ManualClock(), { durationMs: 0 }), { reason: 'LEASE_LOST' });
  });

  it('of a pod that lags takes nothing back', () => {
    const clock = new ManualClock();
    const one = givenAttachment(clock, { policyVersion: 3, feedPosition: 30 });
    one.renew(givenLease(clock, { policyVersion: 2, feedPosition: 20 }));
    assert.deepEqual([one.policyVersion, one.clearedUpTo], [3, 30]);
    one.renew(givenLease(clock, { policyVersion: 4, feedPosition: 40 }));
    assert.deepEqual([one.policyVersion, one.clearedUpTo], [4, 40]);
  });

  it('keeps a bounded number of assertions', () => {
    const one = givenAttachment(new ManualClock());
    for (let n = 0; n < 65; n++)
      one.keepAssertion(`r${n}`, { jwt: `j${n}`, expiresAtMs: 1, policyVersion: 1, sinceMs: 0 });
    assert.equal(one.assertionFor('r0'), undefined);
    assert.equal(one.assertionFor('r64')?.jwt, 'j64');
  });
});
