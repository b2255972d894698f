import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { RevocationKind as Kind } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { Attachment } from './attachment.ts';
import { Attachments } from './attachments.ts';
import { Revocations } from './revocations.ts';
import { givenAttachment, givenEntry, givenLease, type LeaseParts } from './test/given.ts';

function given() {
  const clock = new ManualClock();
  const all = new Attachments({ maxAttachments: 100, maxPerSession: 100, idleMs: 1e9 });
  const revocations = new Revocations(all);
  revocations.enterEra(1);
  const held = (parts: LeaseParts & { session?: string; routeKey?: string } = {}): Attachment => {
    const attachment = givenAttachment(clock, parts);
    revocations.assertCurrent(attachment, attachment.lease);
    all.add(attachment);
    return attachment;
  };
  return { clock, all, revocations, held };
}
const reason = (attachment: Attachment) => attachment.ended.reason?.reason;

describe('revocations', () => {
  it('end what they name, and nothing else', () => {
    const cases = [
      [Kind.SESSION, 's1'],
      [Kind.DEVICE, 'd1'],
      [Kind.USER, 'u1'],
      [Kind.GROUPS, 'u1'],
      [Kind.SHARED_KEY, 'r1'],
    ] as const;
    for (const [kind, subject] of cases) {
      const { revocations, held } = given();
      const hit = held({ session: 's1', deviceId: 'd1', user: 'u1', routeKey: 'r1' });
      const spared = held({ session: 's2', deviceId: 'd2', user: 'u2', routeKey: 'r2' });
      assert.equal(revocations.carryOut(givenEntry(11, kind, subject)), 1);
      assert.equal(reason(hit), 'SESSION_REVOKED', Kind[kind]);
      assert.equal(spared.ended.aborted, false, Kind[kind]);
    }
  });

  it('that may mean anybody make all attach again, so that the tier can tell', () => {
    for (const kind of [Kind.EVERYBODY, Kind.UNSPECIFIED, 99 as Kind]) {
      const { revocations, held } = given();
      const hit = held();
      assert.equal(revocations.carryOut(givenEntry(11, kind, 'x')), 1);
      assert.equal(reason(hit), 'ATTACH_REQUIRED');
    }
  });

  it('that a lease has considered end nothing, nor does a later lease of a pod that lags undo that', () => {
    const { clock, revocations, held } = given();
    const attachment = held({ user: 'ada', feedPosition: 20 });
    attachment.renew(givenLease(clock, { feedPosition: 15, pod: 'sec-1' }));
    assert.equal(revocations.carryOut(givenEntry(20, Kind.USER, 'ada')), 0);
    assert.equal(revocations.carryOut(givenEntry(21, Kind.USER, 'ada')), 1);
  });

  it('that overtook a lease on its way keep it out', () => {
    const { revocations, held } = given();
    revocations.carryOut(givenEntry(20, Kind.USER, 'ada'));
    assert.throws(() => held({ user: 'ada', feedPosition: 19 }), { reason: 'STALE' });
    held({ user: 'grace', feedPosition: 19 });
    held({ user: 'ada', feedPosition: 20 });
  });

  it('are remembered within a bound, beyond which an old lease is not believed', () => {
    const { revocations, held } = given();
    for (let n = 11; n <= 10_012; n++) revocations.carryOut(givenEntry(n, Kind.SESSION, `s${n}`));
    assert.throws(() => held({ feedPosition: 10 }), { reason: 'STALE' });
    revocations.carryOut(givenEntry(11, Kind.SESSION, 's11'));
    held({ feedPosition: 12 });
    assert.throws(() => held({ session: 's10012', feedPosition: 10_000 }), { reason: 'STALE' });
  });

  it('are asked for from the oldest lease of that pod when it has told nothing yet', () => {
    const { revocations, held } = given();
    assert.equal(revocations.resumeAt('sec-0'), 0);
    held({ feedPosition: 12 });
    held({ feedPosition: 14 });
    held({ feedPosition: 3, pod: 'sec-1' });
    assert.equal(revocations.resumeAt('sec-0'), 12);
    revocations.watching('sec-0', 12);
    revocations.told('sec-0', 20);
    revocations.told('sec-0', 19);
    assert.equal(revocations.resumeAt('sec-0'), 20);
  });

  it('that were never told: a lease from before the first Watch is not believed', () => {
    const { clock, all, revocations, held } = given();
    const early = held({ feedPosition: 12 });
    const elsewhere = held({ feedPosition: 12, pod: 'sec-1' });
    const knowing = held({ feedPosition: 15, pod: 'sec-0' });
    knowing.renew(givenLease(clock, { feedPosition: 12 }));
    revocations.watching('sec-0', 14);
    assert.equal(reason(early), 'ATTACH_REQUIRED');
    assert.deepEqual([...all], [elsewhere, knowing]);
    assert.throws(() => held({ feedPosition: 13 }), { reason: 'STALE' });
    held({ feedPosition: 14 });
    revocations.told('sec-0', 30);
    revocations.watching('sec-0', 30);
    held({ feedPosition: 14 });
  });

  it('of a feed that has no entry yet are not taken for told', () => {
    const { revocations, held } = given();
    revocations.watching('sec-0', 0);
    revocations.told('sec-0', 0);
    const early = held({ feedPosition: 0 });
    assert.equal(revocations.resumeAt('sec-0'), 0);
    revocations.watching('sec-0', 1);
    assert.equal(reason(early), 'ATTACH_REQUIRED', 'entry 1 may have come between two Watches');
  });

  it('begin anew in a new era', () => {
    const { revocations, held } = given();
    const old = held();
    revocations.carryOut(givenEntry(500, Kind.USER, 'ada'));
    revocations.watching('sec-0', 500);
    revocations.told('sec-0', 500);
    const other = held({ user: 'grace', feedPosition: 500 });
    revocations.enterEra(2);
    assert.ok(old.ended.aborted);
    assert.equal(reason(other), 'ATTACH_REQUIRED');
    assert.equal(revocations.resumeAt('sec-0'), 0);
    held({ user: 'ada', feedPosition: 3 });
    assert.throws(() => revocations.enterEra(1), { reason: 'STALE' });
  });
});
