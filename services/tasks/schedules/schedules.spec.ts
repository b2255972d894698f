import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parseCron } from './cron.ts';
import { jitterOf, planRun, type RunRules } from './plan-run.ts';

const at = (text: string): number => Date.parse(text);
const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

describe('cron', () => {
  it('keeps to a time zone when its clock is put forward and back', () => {
    const berlin = parseCron('30 2 * * *', 'Europe/Berlin');
    // 02:30 is left out on 29 March: it happens at 03:00. It is there twice on 25 October: it happens once.
    assert.equal(iso(berlin.next(at('2026-03-28T12:00:00Z'))), '2026-03-29T01:00:00.000Z');
    assert.equal(iso(berlin.next(at('2026-03-29T01:00:00Z'))), '2026-03-30T00:30:00.000Z');
    assert.equal(iso(berlin.next(at('2026-10-24T12:00:00Z'))), '2026-10-25T00:30:00.000Z');
    assert.equal(iso(berlin.next(at('2026-10-25T00:30:00Z'))), '2026-10-26T01:30:00.000Z');
    // Every hour is every hour.
    const hourly = parseCron('0 * * * *', 'Europe/Berlin');
    assert.equal(iso(hourly.next(at('2026-10-25T00:00:00Z'))), '2026-10-25T01:00:00.000Z');
    assert.deepEqual(hourly.lastBefore(at('2026-03-29T02:30:00Z'), 2).map(iso), [
      '2026-03-29T02:00:00.000Z',
      '2026-03-29T01:00:00.000Z',
    ]);
  });

  it('says what it does not take', () => {
    for (const [expression, zone] of [
      ['nonsense', 'UTC'],
      ['61 * * * *', 'UTC'],
      ['0 0 31 2 *', 'UTC'],
      ['0 0 * * *', 'Mars/Base'],
      ['2030-01-01T00:00:00', 'UTC'],
      ['* * * * * * 2030', 'UTC'],
    ] as const) {
      assert.throws(
        () => parseCron(expression, zone),
        { reason: 'SCHEDULE_INVALID' },
        `${expression} ${zone}`,
      );
    }
    parseCron('@daily', 'UTC');
    parseCron('*/5 0 * * 1-5', 'America/New_York');
    parseCron('10 */5 0 * * 1-5', 'UTC');
  });
});

describe('what becomes of missed runs', () => {
  const cron = parseCron('0 * * * *', 'UTC');
  const rules = (missed: RunRules['missed'], keep = 10): RunRules => ({ missed, keep, jitterMs: 0 });
  const plan = (rule: RunRules, planned: string, now: string) => {
    const { run, next } = planRun(cron, 'a', rule, at(planned), at(now));
    return [iso(run)?.slice(11, 16), iso(next)?.slice(11, 16)];
  };

  it('is nothing when none was missed', () => {
    for (const missed of ['skip', 'once', 'all'] as const) {
      assert.deepEqual(plan(rules(missed), '2026-01-01T03:00:00Z', '2026-01-01T03:00:20Z'), [
        '03:00',
        '04:00',
      ]);
    }
  });

  it('is what the schedule says', () => {
    const [planned, now] = ['2026-01-01T03:00:00Z', '2026-01-01T07:30:00Z'];
    assert.deepEqual(plan(rules('skip'), planned, now), [undefined, '08:00']);
    assert.deepEqual(plan(rules('skip'), planned, '2026-01-01T07:00:30Z'), ['07:00', '08:00']);
    assert.deepEqual(plan(rules('once'), planned, now), ['07:00', '08:00']);
    assert.deepEqual(plan(rules('all'), planned, now), ['03:00', '04:00']);
    assert.deepEqual(plan(rules('all'), '2026-01-01T07:00:00Z', now), ['07:00', '08:00']);
    assert.deepEqual(plan(rules('all', 2), planned, now), ['06:00', '07:00']);
  });

  it('is put off by the same jitter, whoever asks', () => {
    const all = Array.from({ length: 200 }, (_, n) => jitterOf('a', n * 1000, 5000));
    assert.ok(all.every((ms) => ms >= 0 && ms < 5000));
    assert.ok(new Set(all).size > 150);
    assert.deepEqual(
      all,
      Array.from({ length: 200 }, (_, n) => jitterOf('a', n * 1000, 5000)),
    );
    assert.equal(jitterOf('a', 1, 0), 0);
  });
});
