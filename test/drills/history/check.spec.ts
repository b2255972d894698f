import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { after, describe, it } from 'mocha';
import { type CheckResult, checkHistory } from './check.ts';
import type { RuleName } from './finding.ts';
import { correctHistory, headOf, sorted } from './generate.ts';
import { HistoryError } from './read.ts';
import { openHistory } from './recorder.ts';
import type { Complete, HistoryRecord, Invoke } from './schema.ts';

const dir = mkdtempSync(join(tmpdir(), 'sp-history-'));
after(() => rmSync(dir, { recursive: true, force: true }));
let files = 0;
const fileOf = (text: string): string => {
  files += 1;
  const file = join(dir, `${files}.jsonl`);
  writeFileSync(file, text);
  return file;
};
const textOf = (records: readonly HistoryRecord[]): string =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');
const judge = (records: readonly HistoryRecord[]): Promise<CheckResult> =>
  checkHistory(fileOf(textOf(records)));

/** A bug put into a correct history; undefined where there is no place for it. */
type Plant = (records: readonly HistoryRecord[]) => { records: HistoryRecord[]; op?: string } | undefined;

const invokes = (records: readonly HistoryRecord[]): Invoke[] =>
  records.filter((one): one is Invoke => one.type === 'invoke');
const completeOf = (records: readonly HistoryRecord[], op: string): Complete | undefined =>
  records.find((one): one is Complete => one.type === 'complete' && one.op === op);
const change = (
  records: readonly HistoryRecord[],
  victim: HistoryRecord,
  more: object | undefined,
): HistoryRecord[] =>
  records.flatMap((one) =>
    one !== victim ? [one] : more === undefined ? [] : [{ ...one, ...more } as HistoryRecord],
  );
const requestWhere = (records: readonly HistoryRecord[], fits: (one: Invoke) => boolean) =>
  invokes(records).find((one) => one.kind === 'request' && fits(one));

const late = (records: readonly HistoryRecord[]) =>
  requestWhere(records, (one) => one.kind === 'request' && one.path === '/late');

const plants: readonly (readonly [string, RuleName, Plant])[] = [
  [
    'a request of a revoked session is answered',
    'accepted-after-revocation',
    (records) => {
      const invoke = late(records);
      const complete = invoke && completeOf(records, invoke.op);
      return complete && { records: change(records, complete, { outcome: 'ok' }), op: complete.op };
    },
  ],
  [
    'a backend sees a request of a revoked session whose answer was lost',
    'accepted-after-revocation',
    (records) => {
      const invoke = late(records);
      if (invoke === undefined) return undefined;
      const effect = { type: 'effect', at: invoke.at + 1, wall: 1e6, op: invoke.op } as const;
      const seen = { ...effect, backend: 'intranet', executed: true };
      return { records: sorted([...records, seen]), op: invoke.op };
    },
  ],
  [
    'an open stream goes on after the revocation',
    'accepted-after-revocation',
    (records) => {
      const stream = invokes(records).find((one) => {
        const client = one.kind === 'stream' ? one.client : undefined;
        return (
          client !== undefined && late(records.filter((r) => r.type !== 'invoke' || r.client === client))
        );
      });
      const piece = records.find((one) => one.type === 'piece' && one.op === stream?.op);
      const end = Math.max(...records.map(({ at }) => at));
      if (piece === undefined || stream === undefined) return undefined;
      return { records: [...records, { ...piece, at: end, emittedAt: end } as HistoryRecord], op: stream.op };
    },
  ],
  [
    'a revoked session is attached',
    'accepted-after-revocation',
    (records) => {
      const invoke = late(records);
      if (invoke?.kind !== 'request') return undefined;
      const { at, client, session } = invoke;
      const times = { at: at + 1, wall: 1e6, since: at };
      const attached = {
        type: 'attached',
        ...times,
        client,
        session,
        epoch: 'f'.repeat(32),
        proxy: 'p',
      } as const;
      return { records: sorted([...records, attached]) };
    },
  ],
  [
    'an epoch is given twice',
    'epoch-given-twice',
    (records) => {
      const all = records.filter((one) => one.type === 'attached');
      const [first, second] = all;
      if (first === undefined || second === undefined) return undefined;
      return { records: change(records, second, { epoch: first.epoch }) };
    },
  ],
  ...(['keys', 'sessions'] as const).map((of): readonly [string, RuleName, Plant] => [
    `one of the ${of} is lost`,
    'acknowledged-lost',
    (records) => {
      const list = completeOf(records, `final-${of}`);
      const [id, ...ids] = list?.ids ?? [];
      if (list === undefined || id === undefined) return undefined;
      const op = invokes(records).find(({ op: one }) => {
        const ended = completeOf(records, one);
        return ended?.enrolment === id || ended?.session === id;
      })?.op;
      return { records: change(records, list, { ids }), ...(op !== undefined && { op }) };
    },
  ]),
  ...(['keys', 'sessions'] as const).map((of): readonly [string, RuleName, Plant] => [
    `one of the revoked ${of} comes back`,
    'revocation-lost',
    (records) => {
      const target = of === 'keys' ? 'key' : 'session';
      const revoke = invokes(records).find((one) => one.kind === 'revoke' && one.target.of === target);
      const list = completeOf(records, `final-${of}`);
      if (revoke?.kind !== 'revoke' || list === undefined) return undefined;
      return {
        records: change(records, list, { ids: [...(list.ids ?? []), revoke.target.id] }),
        op: revoke.op,
      };
    },
  ]),
  [
    'a proxy relays when its leases have run out',
    'relayed-without-lease',
    (records) => {
      const request = requestWhere(records, (one) =>
        records.some((record) => record.type === 'effect' && record.op === one.op),
      );
      if (request === undefined) return undefined;
      const silence = {
        type: 'silence',
        at: 0,
        wall: 0,
        from: request.at,
        until: request.at + 1000,
      } as const;
      const promise = { ...silence, proxy: 'proxy-0', why: 'it was cut off' };
      return { records: [headOf(), promise, ...records.slice(1)], op: request.op };
    },
  ],
  [
    'a request is answered while nobody has a lease',
    'relayed-without-lease',
    (records) => {
      const get = requestWhere(
        records,
        (one) => one.kind === 'request' && completeOf(records, one.op)?.outcome === 'ok',
      );
      const complete = get && completeOf(records, get.op);
      if (get === undefined || complete === undefined) return undefined;
      const from = get.at;
      const silence = { type: 'silence', at: 0, wall: 0, from, until: complete.at + 1 } as const;
      return {
        records: [headOf(), { ...silence, why: 'all had hung' }, ...records.slice(1)],
        op: complete.op,
      };
    },
  ],
  [
    'a backend is shown an assertion that has ended',
    'relayed-without-lease',
    (records) => {
      const effect = records.find((one) => one.type === 'effect');
      return effect && { records: change(records, effect, { assertionUntilWall: 0 }), op: effect.op };
    },
  ],
  [
    "a request is answered with another's answer",
    'wrong-answer',
    (records) => {
      const get = requestWhere(records, (one) => one.kind === 'request' && one.expects !== undefined);
      const complete = get && completeOf(records, get.op);
      return complete && { records: change(records, complete, { answer: 'another' }), op: complete.op };
    },
  ],
  [
    'what is unrepeatable is executed twice',
    'executed-twice',
    (records) => {
      const effect = records.find(
        (one) =>
          one.type === 'effect' &&
          requestWhere(records, (r) => r.op === one.op && r.kind === 'request' && !r.repeatable),
      );
      return effect?.type === 'effect' ? { records: sorted([...records, effect]), op: effect.op } : undefined;
    },
  ],
  [
    'what has an Idempotency-Key is executed twice',
    'executed-twice',
    (records) => {
      const again = records.find((one) => one.type === 'effect' && !one.executed);
      return again?.type === 'effect'
        ? { records: change(records, again, { executed: true }), op: again.op }
        : undefined;
    },
  ],
  [
    'a repetition has another effect',
    'different-effects',
    (records) => {
      const again = records.find((one) => one.type === 'effect' && !one.executed);
      return again?.type === 'effect'
        ? { records: change(records, again, { value: 'another' }), op: again.op }
        : undefined;
    },
  ],
  [
    'an acknowledged write was never carried out',
    'acknowledged-lost',
    (records) => {
      const post = requestWhere(
        records,
        (one) => one.kind === 'request' && !one.repeatable && completeOf(records, one.op)?.outcome === 'ok',
      );
      const effect = records.find((one) => one.type === 'effect' && one.op === post?.op);
      return effect && post && { records: change(records, effect, undefined), op: post.op };
    },
  ],
  [
    'a backend executes what nobody asked for',
    'effect-from-nowhere',
    (records) => {
      const effect = records.find((one) => one.type === 'effect');
      return effect && { records: change(records, effect, { op: 'nobody' }), op: 'nobody' };
    },
  ],
  [
    'what is repeatable ends as UNKNOWN_OUTCOME',
    'unknown-without-cause',
    (records) => {
      const put = requestWhere(records, (one) => completeOf(records, one.op)?.outcome === 'failed');
      const complete = put && completeOf(records, put.op);
      return complete && { records: change(records, complete, { outcome: 'unknown' }), op: complete.op };
    },
  ],
  [
    'a request ends as UNKNOWN_OUTCOME without a fault',
    'unknown-without-cause',
    (records) => {
      const post = requestWhere(records, (one) => completeOf(records, one.op)?.outcome === 'unknown');
      const ops = new Set(invokes(records).flatMap(({ kind, op }) => (kind === 'fault' ? [op] : [])));
      const calm = records.filter((one) => !('op' in one) || !ops.has(one.op));
      return post && { records: calm, op: post.op };
    },
  ],
  [
    'a request never ends',
    'never-ended',
    (records) => {
      const request = requestWhere(records, () => true);
      const complete = request && completeOf(records, request.op);
      return complete && { records: change(records, complete, undefined), op: complete.op };
    },
  ],
  [
    'an operation completes twice',
    'malformed-history',
    (records) => {
      const complete = records.find((one) => one.type === 'complete');
      return complete && { records: sorted([...records, complete]), op: complete.op };
    },
  ],
];

describe('checking histories', () => {
  it('finds nothing in correct ones', async () => {
    await fc.assert(
      fc.asyncProperty(correctHistory, async (records) => {
        assert.deepEqual((await judge(records)).findings, []);
      }),
      { numRuns: 60 },
    );
  });

  for (const [what, rule, plant] of plants) {
    it(`finds that ${what}`, async () => {
      let planted = 0;
      await fc.assert(
        fc.asyncProperty(correctHistory, async (records) => {
          const bug = plant(records);
          if (bug === undefined) return;
          planted += 1;
          const { findings } = await judge(bug.records);
          const found = findings.filter((one) => one.rule === rule);
          assert.ok(found.length > 0, `${rule} was not found, but ${JSON.stringify(findings)}`);
          if (bug.op !== undefined) assert.ok(found.some(({ ops }) => ops.includes(bug.op ?? '')));
        }),
        { numRuns: 40, seed: 7 },
      );
      assert.ok(planted >= 3, `there was place for it in ${planted} histories only`);
    });
  }

  it('counts how operations ended', async () => {
    const history = openHistory(join(dir, 'counts.jsonl'), { run: 'r', recorder: 'a' });
    const enrol = history.invoke({ kind: 'enroll', client: 'd', user: 'u' });
    history.complete(enrol, { outcome: 'ok', enrolment: 'k' });
    const login = history.invoke({ kind: 'login', client: 'd', user: 'u', enrolment: 'k' });
    history.complete(login, { outcome: 'failed', reason: 'UNAVAILABLE' });
    history.close();
    const { counts, found } = await checkHistory(join(dir, 'counts.jsonl'));
    const none = { ok: 0, refused: 0, failed: 0, unknown: 0 };
    assert.deepEqual(counts, {
      enroll: { ...none, invoked: 1, ok: 1 },
      login: { ...none, invoked: 1, failed: 1 },
    });
    assert.equal(found, 0);
  });

  it('brings the files of several recorders into one order', async () => {
    const load = openHistory(join(dir, 'load.jsonl'), { run: 'r', recorder: 'load' });
    const backend = openHistory(join(dir, 'backend.jsonl'), { run: 'r', recorder: 'backend' });
    const post = { kind: 'request', client: 'd', session: 's', method: 'POST', path: '/' } as const;
    const op = load.invoke({ ...post, repeatable: false, executes: true });
    backend.effect({ op: op.id, backend: 'intranet', executed: true });
    load.complete(op, { outcome: 'ok' });
    load.close();
    backend.close();
    const both = [join(dir, 'load.jsonl'), join(dir, 'backend.jsonl')];
    assert.deepEqual((await checkHistory(both)).findings, []);
    assert.deepEqual(
      (await checkHistory(both.slice(0, 1))).findings.map(({ rule }) => rule),
      ['acknowledged-lost'],
    );
  });

  it('keeps as many findings as it is told to, and counts on', async () => {
    const twice = { type: 'complete', at: 1, wall: 1, op: 'nobody', outcome: 'ok' } as const;
    const file = fileOf(textOf([headOf(), ...Array.from({ length: 9 }, () => twice)]));
    const { findings, found } = await checkHistory(file, { maxFindings: 2 });
    assert.deepEqual([findings.length, found], [2, 9]);
  });
});

describe('reading histories', () => {
  const line = textOf([{ type: 'complete', at: 5, wall: 5, op: 'x', outcome: 'ok' }]);
  const refused: readonly (readonly [string, string | readonly string[], RegExp])[] = [
    ['what is not JSON', `${textOf([headOf()])}nonsense\n`, /:2: is not JSON/],
    ['what the schema does not know', `${textOf([headOf()])}{"type":"other"}\n`, /:2: type/],
    ['a file without a head', line, /does not begin/],
    ['an empty file', '', /does not begin/],
    ['time that goes back', `${textOf([headOf()])}${line}${line.replace('5', '4')}`, /earlier/],
    [
      'files of two runs',
      [textOf([headOf('a')]), textOf([{ ...headOf('b'), run: 'other' }] as never)],
      /another run/,
    ],
    ['two files of one recorder', [textOf([headOf('a')]), textOf([headOf('a')])], /second file/],
  ];
  for (const [what, text, message] of refused) {
    it(`refuses ${what}`, async () => {
      const given = (typeof text === 'string' ? [text] : text).map(fileOf);
      await assert.rejects(checkHistory(given), (error) => {
        assert.ok(error instanceof HistoryError, String(error));
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('leaves out a last line that a killed recorder did not finish', async () => {
    const { findings } = await checkHistory(fileOf(`${textOf([headOf()])}{"type":"compl`));
    assert.deepEqual(findings, []);
  });

  it('refuses a history that is larger than it may remember', async () => {
    const enrol = (op: string) =>
      ({ type: 'invoke', at: 1, wall: 1, op, client: 'd', kind: 'enroll', user: 'u' }) as const;
    const file = fileOf(textOf([headOf(), enrol('a'), enrol('b')]));
    await assert.rejects(checkHistory(file, { maxOperations: 1 }), HistoryError);
  });
});
