/** Linearizability of recorded objects, judged by the real checker (porcupine), built or from the cache. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { after, before, describe, it } from 'mocha';
import type { PartsOptions } from '#compose/parts/options.ts';
import { type CheckResult, checkHistory } from '../drills/history/check.ts';
import { headOf, sorted } from '../drills/history/generate.ts';
import { findPorcupine } from '../drills/history/linear/porcupine.ts';
import type { HistoryRecord } from '../drills/history/schema.ts';

const parts: PartsOptions = { env: process.env, progress: (line) => process.stdout.write(`${line}\n`) };

type Acts = Extract<HistoryRecord, { type: 'invoke' }>['acts'];
type Saw = Extract<HistoryRecord, { type: 'complete' }>['saw'];

interface Step {
  readonly acts: NonNullable<Acts>;
  /** Before and after the moment at which it takes effect, ms. */
  readonly before: number;
  readonly after: number;
  readonly outcome: 'ok' | 'failed';
}

const value = fc.constantFrom('a', 'b', 'c');
const register = fc.oneof(
  fc.record({ type: fc.constant('register'), key: fc.constant('r'), action: fc.constant('read') }),
  fc.record({ type: fc.constant('register'), key: fc.constant('r'), action: fc.constant('write'), value }),
  fc.record({
    ...{ type: fc.constant('register'), key: fc.constant('r'), action: fc.constant('cas') },
    ...{ value, expected: value },
  }),
) as fc.Arbitrary<NonNullable<Acts>>;
const set = (listed: boolean): fc.Arbitrary<NonNullable<Acts>> =>
  fc.oneof(
    fc.record({
      ...{ type: fc.constant('set'), key: fc.constant(listed ? 'l' : 's'), value },
      action: fc.constantFrom('add', 'remove', 'contains'),
    }),
    ...(listed ? [fc.constant({ type: 'set', key: 'l', action: 'list' })] : []),
  ) as fc.Arbitrary<NonNullable<Acts>>;
const steps = (of: fc.Arbitrary<NonNullable<Acts>>): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.record({
      acts: of,
      before: fc.integer({ min: 1, max: 40 }),
      after: fc.integer({ min: 1, max: 40 }),
      outcome: fc.constantFrom('ok' as const, 'ok' as const, 'failed' as const),
    }),
    { minLength: 6, maxLength: 30 },
  );

/** Operations that overlap, each of which takes effect at one moment. */
function played(all: readonly Step[]): HistoryRecord[] {
  let register: string | undefined;
  const elements = new Set<string>();
  const take = (acts: NonNullable<Acts>): Saw => {
    if (acts.type === 'register') {
      const held = register === acts.expected;
      if (acts.action === 'read') return { value: register ?? null };
      if (acts.action === 'write' || held) register = acts.value;
      return acts.action === 'cas' ? { yes: held } : {};
    }
    const { action, value: element = '' } = acts;
    if (action === 'list') return { values: [...elements] };
    if (action === 'contains') return { yes: elements.has(element) };
    if (action === 'add') elements.add(element);
    else elements.delete(element);
    return {};
  };
  const records = all.flatMap(({ acts, before, after, outcome }, n): HistoryRecord[] => {
    // One moment after another, 10 ms apart; what surrounds them overlaps.
    const moment = 100 + n * 10;
    const saw = take(acts);
    const common = { op: `op-${n}`, wall: 0 };
    return [
      { type: 'invoke', ...common, at: moment - before, client: `c-${n}`, kind: 'call', method: 'm', acts },
      {
        ...{ type: 'complete', ...common, at: moment + after, outcome },
        ...(outcome === 'ok' && saw !== undefined && { saw }),
      },
    ];
  });
  return [headOf(), ...sorted(records)];
}

/** The last reading sees what nobody ever wrote, or misses what is there. */
function planted(records: readonly HistoryRecord[], saw: NonNullable<Saw>, acts: Acts): HistoryRecord[] {
  const at = Math.max(...records.map((one) => one.at)) + 10;
  const common = { op: 'stale', wall: 0 };
  return [
    ...records,
    { type: 'invoke', ...common, at, client: 'late', kind: 'call', method: 'm', acts },
    { type: 'complete', ...common, at: at + 1, outcome: 'ok', saw },
  ];
}

describe('linearizability of a history', function () {
  this.timeout(600_000);
  const dir = mkdtempSync(join(tmpdir(), 'sp-linear-'));
  let files = 0;
  before(() => findPorcupine(parts));
  after(() => rmSync(dir, { recursive: true, force: true }));

  const judge = (records: readonly HistoryRecord[]): Promise<CheckResult> => {
    files += 1;
    const file = join(dir, `${files}.jsonl`);
    writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    return checkHistory(file, { linearizable: { parts } });
  };
  const expectFound = async (records: readonly HistoryRecord[]): Promise<void> => {
    const { findings } = await judge(records);
    assert.deepEqual(
      findings.map(({ rule, ops }) => [rule, ops]),
      [['not-linearizable', ['stale']]],
    );
  };

  const objects: readonly (readonly [string, fc.Arbitrary<Step[]>, NonNullable<Saw>, NonNullable<Acts>])[] = [
    ['a register', steps(register), { value: 'never' }, { type: 'register', key: 'r', action: 'read' }],
    ['a listed set', steps(set(true)), { values: ['never'] }, { type: 'set', key: 'l', action: 'list' }],
    [
      'a set of elements',
      steps(set(false)),
      { yes: true },
      { type: 'set', key: 's', action: 'contains', value: 'never' },
    ],
  ];
  for (const [name, all, saw, acts] of objects) {
    it(`holds for ${name}, and one wrong reading is found`, async () => {
      await fc.assert(
        fc.asyncProperty(all, async (some) => {
          const records = played(some);
          assert.deepEqual((await judge(records)).findings, []);
          await expectFound(planted(records, saw, acts));
        }),
        { numRuns: 15 },
      );
    });
  }

  const write = (op: string, at: number, until: number, text: string): HistoryRecord[] => {
    const acts = { type: 'register', key: 'r', action: 'write', value: text } as const;
    return [
      { type: 'invoke', op, at, wall: 0, client: op, kind: 'call', method: 'm', acts },
      { type: 'complete', op, at: until, wall: 0, outcome: 'ok' },
    ];
  };
  it('finds a stale reading after two writes, and a write that was lost', async () => {
    const history = [headOf(), ...write('first', 1, 2, 'a'), ...write('second', 3, 4, 'b')];
    await expectFound(planted(history, { value: 'a' }, { type: 'register', key: 'r', action: 'read' }));
    await expectFound(planted(history, { value: null }, { type: 'register', key: 'r', action: 'read' }));
  });

  it('lets a failed write take effect late, or never', async () => {
    const [invoke, complete] = write('maybe', 3, 4, 'b');
    if (invoke === undefined || complete === undefined) throw new Error('no records');
    const failed = { ...complete, outcome: 'failed' } as HistoryRecord;
    const history = [headOf(), ...write('first', 1, 2, 'a'), invoke, failed];
    for (const seen of ['a', 'b']) {
      const acts = { type: 'register', key: 'r', action: 'read' } as const;
      assert.deepEqual((await judge(planted(history, { value: seen }, acts))).findings, []);
    }
  });

  it('says that it is not decided when there is no checker', async () => {
    const file = join(dir, 'unchecked.jsonl');
    const records = [headOf(), ...write('first', 1, 2, 'a')];
    writeFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
    const { findings } = await checkHistory(file);
    assert.deepEqual(
      findings.map(({ rule }) => rule),
      ['undecided'],
    );
  });
});
