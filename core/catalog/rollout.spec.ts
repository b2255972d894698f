import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'mocha';
import { bucketOf, type Candidate, offer, type Rollout, refused } from './rollout.ts';

const rollout: Rollout = { version: '2.0', previous: '1.5', percent: 30, groups: ['testers'], halted: false };
const anything = { minVersion: '', blocked: [] };
const device = (more: Partial<Candidate> = {}): Candidate => ({
  installed: '1.0',
  groups: [],
  bucket: 2999,
  withdrawn: new Set(),
  ...more,
});

describe('a staged rollout', () => {
  it('offers to a share of the devices and to groups; the others get the release before', () => {
    assert.equal(offer(rollout, anything, device()), '2.0');
    assert.equal(offer(rollout, anything, device({ bucket: 3000 })), '1.5');
    assert.equal(offer(rollout, anything, device({ bucket: 9999, groups: ['staff', 'testers'] })), '2.0');
    assert.equal(offer({ ...rollout, previous: undefined }, anything, device({ bucket: 3000 })), undefined);
    assert.equal(offer(undefined, anything, device()), undefined);
  });

  it('takes nobody back, except from what was withdrawn', () => {
    assert.equal(offer(rollout, anything, device({ installed: '2.0', bucket: 9999 })), undefined);
    assert.equal(offer(rollout, anything, device({ installed: '3.0' })), undefined);
    const withdrawn = new Set(['2.0']);
    const back: Rollout = { ...rollout, version: '1.5', previous: undefined, percent: 100 };
    assert.equal(offer(back, anything, device({ installed: '2.0', withdrawn })), '1.5');
    assert.equal(offer(rollout, anything, device({ withdrawn })), undefined);
  });

  it('halted, takes in nobody else', () => {
    const halted = { ...rollout, halted: true };
    assert.equal(offer(halted, anything, device()), '1.5');
    assert.equal(offer(halted, anything, device({ installed: '1.5' })), undefined);
    assert.equal(offer(halted, anything, device({ installed: '2.0' })), undefined);
  });

  it('offers nothing that may not be used', () => {
    assert.equal(offer(rollout, { minVersion: '', blocked: ['2.0.0'] }, device()), undefined);
    assert.equal(offer(rollout, { minVersion: '2.1', blocked: [] }, device()), undefined);
  });

  it('knows what is too old, and what is blocked', () => {
    const rules = { minVersion: '1.2', blocked: ['1.3.1'] };
    assert.equal(refused(rules, '1.1.9'), 'too-old');
    assert.equal(refused(rules, '1.2-rc.1'), 'too-old');
    assert.equal(refused(rules, '1.2.0'), undefined);
    assert.equal(refused(rules, '1.3.1'), 'blocked');
    assert.equal(refused(rules, 'nightly'), 'too-old');
    assert.equal(refused(anything, 'nightly'), undefined);
  });

  it('spreads devices evenly, otherwise for each release, and a larger share only adds', () => {
    const line = (release: string, n: number): number =>
      bucketOf(createHash('sha256').update(`app/${release}/device-${n}`).digest());
    const first = (release: string, percent: number): Set<number> =>
      new Set([...Array(4000).keys()].filter((n) => line(release, n) < percent * 100));
    const ten = first('2.0', 10);
    assert.ok(ten.size > 300 && ten.size < 500, `${ten.size}`);
    const quarter = first('2.0', 25);
    assert.ok([...ten].every((n) => quarter.has(n)));
    assert.equal(first('2.0', 100).size, 4000);
    const other = first('2.1', 10);
    const both = [...ten].filter((n) => other.has(n)).length;
    assert.ok(both < 100, `${both}`);
  });
});
