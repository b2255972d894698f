import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Grant } from '#core/policy/grant.ts';
import { createLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { DecisionSample, sampleEveryMs, samplePerWrite } from './decision-sample.ts';
import type { RecordedRow } from './recorded-cases.ts';

const session = { deviceId: 'd', expiresAt: 9e15, authLevel: 1, groups: ['staff', 'it'] };
const grant = { allow: true, reason: 'ALLOWED' } as Grant;
const log = createLogger({ pod: 'test', level: 'silent' });

function sampler(random: () => number, write?: (rows: readonly RecordedRow[]) => Promise<void>) {
  const clock = new ManualClock();
  const written: RecordedRow[][] = [];
  const keep = async (rows: readonly RecordedRow[]): Promise<void> => void written.push([...rows]);
  const sample = new DecisionSample({ write: write ?? keep, clock, random, log });
  const note = (user: string, path = '/payroll', reason = grant.reason) =>
    sample.note(
      { ...session, user },
      { method: 'GET', authority: 'intranet.example', path },
      { ...grant, reason },
      5,
    );
  return { clock, written, sample, note };
}

describe('a sample of decisions', () => {
  it('has of each period at most so many, each decision with the same chance', async () => {
    let state = 1;
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    const counts = new Map<string, number>();
    for (let round = 0; round < 400; round++) {
      const { clock, written, note, sample } = sampler(random);
      for (let i = 0; i < 4 * samplePerWrite; i++) note(`u${i}`);
      await clock.advance(sampleEveryMs);
      await sample.close();
      assert.equal(written[0]?.length, samplePerWrite);
      for (const { facts } of written[0] ?? []) {
        const { user } = JSON.parse(facts).session;
        counts.set(user, (counts.get(user) ?? 0) + 1);
      }
    }
    // A quarter of 400 each; five standard deviations are 43.
    assert.equal(counts.size, 4 * samplePerWrite);
    for (const [user, count] of counts) assert.ok(Math.abs(count - 100) < 43, `${user}: ${count}`);
  });

  it('keeps what decides, neither queries nor what tells nothing', async () => {
    const { written, note, sample } = sampler(() => 0.5);
    note('ada', '/payroll?name=eve');
    note('ada', '/payroll');
    note('ada', '/payroll', 'SESSION_EXPIRED');
    note('u'.repeat(40_000));
    await sample.close();
    assert.equal(written[0]?.length, 2);
    assert.deepEqual(written[0]?.[0], written[0]?.[1]);
    const { session: kept, request } = JSON.parse(written[0]?.[0]?.facts ?? '');
    assert.deepEqual(kept, { user: 'ada', groups: ['it', 'staff'], authLevel: 1 });
    assert.equal(request.path, '/payroll');
  });

  it('leaves out what cannot be written', async () => {
    let tried = 0;
    const { note, sample } = sampler(
      () => 0.5,
      async () => {
        tried++;
        throw new Error('no database');
      },
    );
    note('ada');
    await sample.flush();
    note('bob');
    await sample.close();
    assert.equal(tried, 2);
  });
});
