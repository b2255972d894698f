import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { retain } from './retention.ts';

const hour = 3_600_000;
const now = Date.parse('2026-11-27T12:00:00Z');
/** A snapshot so many hours ago. */
const at = (hours: number, proven = true) => ({ id: `${hours} h`, takenAtMs: now - hours * hour, proven });
const keep = { keepHours: 24, keepDays: 3 };

describe('how long backups are kept', () => {
  it('is all of the last hours, and the log between them', () => {
    assert.deepEqual(retain([at(23), at(2), at(1)], keep, now), { remove: [], logFrom: '23 h' });
  });

  it('is the last proven one of each day before, for some days', () => {
    // 25 h and 30 h ago are one day, 49 h and 50 h another one; 100 h ago is too old.
    const snapshots = [at(100), at(50), at(49), at(48.5, false), at(30), at(25), at(1)];
    assert.deepEqual(retain(snapshots, keep, now), {
      remove: ['100 h', '50 h', '48.5 h', '30 h'],
      logFrom: '1 h',
    });
  });

  it('is for ever for the newest that is proven, and for what comes after it', () => {
    const snapshots = [at(900), at(800), at(700, false), at(600, false)];
    assert.deepEqual(retain(snapshots, keep, now), { remove: ['900 h'], logFrom: '800 h' });
    assert.deepEqual(retain([at(900, false)], keep, now), { remove: [], logFrom: '900 h' });
    assert.deepEqual(retain([], keep, now), { remove: [], logFrom: undefined });
  });
});
