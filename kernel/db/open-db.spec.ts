import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { type Connection, kyselyOn } from './connection.ts';
import type { Db } from './db.ts';
import { openDbOver } from './open-db.ts';

type None = Record<never, never>;

const mysqlError = (errno: number): Error => Object.assign(new Error(`mysql says ${errno}`), { errno });
const broken = (): Error => Object.assign(new Error('connection lost'), { code: 'PROTOCOL_CONNECTION_LOST' });

/**
 * A database of committed notes and keys, behind connections that fail as told: each statement takes the
 * next fault of the script, if that fault is for it.
 */
class FakeMysql {
  readonly committed: string[] = [];
  readonly keys = new Map<string, string | null>();
  readonly faults: { on: string; error: Error; tookEffect?: boolean }[] = [];
  connects = 0;
  reachable = true;

  fail(on: string, error: Error, tookEffect = false): void {
    this.faults.push({ on, error, tookEffect });
  }

  connect(): Promise<Connection<None>> {
    this.connects += 1;
    if (!this.reachable) return Promise.reject(broken());
    let usable = true;
    let notes: string[] = [];
    let keys = new Map<string, string | null>();
    let hang: ((error: Error) => void) | undefined;
    const run = (statement: string, values: readonly unknown[]): Promise<unknown> => {
      const text = statement.trim();
      if (!usable) return Promise.reject(broken());
      if (text === 'hang') return new Promise((_, reject) => (hang = reject));
      const fault = this.faults[0]?.on === text.split(' ')[0] ? this.faults.shift() : undefined;
      if (fault && !('errno' in fault.error)) usable = false;
      if (fault && !fault.tookEffect) return Promise.reject(fault.error);
      if (text === 'rollback' || text === 'begin') [notes, keys] = [[], new Map()];
      if (text.startsWith('note')) notes.push(text);
      if (text.startsWith('insert into idempotency')) {
        if (this.keys.has(String(values[0]))) return Promise.reject(mysqlError(1062));
        keys.set(String(values[0]), null);
      }
      if (text.startsWith('update idempotency')) keys.set(String(values[1]), String(values[0]));
      if (text.startsWith('select result'))
        return Promise.resolve([{ result: this.keys.get(String(values[0])) }]);
      if (text === 'commit') {
        this.committed.push(...notes);
        for (const [key, result] of keys) this.keys.set(key, result);
      }
      return fault ? Promise.reject(fault.error) : Promise.resolve([]);
    };
    return Promise.resolve({
      kysely: kyselyOn<None>(run),
      get usable() {
        return usable;
      },
      run: async (text: string) => void (await run(text, [])),
      cut: (error: Error) => {
        usable = false;
        hang?.(error);
      },
    });
  }
}

function setUp(): {
  mysql: FakeMysql;
  db: Db<None>;
  clock: ManualClock;
  note: (o?: object) => Promise<number>;
} {
  const mysql = new FakeMysql();
  const clock = new ManualClock();
  const db = openDbOver(() => mysql.connect(), { clock, random: () => 0.5, connections: 2, maxWaiting: 2 });
  let runs = 0;
  const note = (o: object = {}): Promise<number> =>
    db.tx(async (trx) => {
      runs += 1;
      await sql.raw(`note ${runs}`).execute(trx);
      return runs;
    }, o);
  return { mysql, db, clock, note };
}

describe('openDb', () => {
  it('runs again what cannot have taken effect, on another connection', async () => {
    for (const [on, error] of [
      ['begin', broken()],
      ['note', broken()],
      ['note', mysqlError(1290)],
      ['note', mysqlError(1213)],
      ['commit', mysqlError(3101)],
      ['commit', mysqlError(1290)],
    ] as const) {
      const { mysql, clock, note, db } = setUp();
      mysql.fail(on, error);
      const done = note();
      await clock.advance(1000);
      await done;
      assert.equal(mysql.committed.length, 1, `${on}: ${error.message}`);
      assert.equal(db.figures().repeated, 1);
      assert.equal(mysql.connects, error.message.endsWith('1213') ? 1 : 2);
    }
  });

  it('does not guess about a commit that broke', async () => {
    const { mysql, note } = setUp();
    mysql.fail('commit', broken(), true);
    await assert.rejects(note(), { reason: 'DB_OUTCOME_UNKNOWN' });
    mysql.fail('commit', mysqlError(3100));
    await assert.rejects(note(), { reason: 'DB_OUTCOME_UNKNOWN' });
    assert.deepEqual(mysql.committed, ['note 1']);
  });

  it('settles it by the key, whether it had taken effect or not', async () => {
    for (const tookEffect of [true, false]) {
      const { mysql, clock, note } = setUp();
      mysql.fail('commit', broken(), tookEffect);
      const done = note({ key: 'k' });
      await clock.advance(1000);
      assert.equal(await done, tookEffect ? 1 : 2);
      assert.equal(mysql.committed.length, 1);
      assert.equal(await note({ key: 'k' }), tookEffect ? 1 : 2);
      assert.equal(mysql.committed.length, 1);
    }
  });

  it('settles it by running again what is idempotent', async () => {
    const { mysql, clock, note } = setUp();
    mysql.fail('commit', broken(), true);
    const done = note({ idempotent: true });
    await clock.advance(1000);
    assert.equal(await done, 2);
  });

  it('waits while there is no primary, for a bounded time and a bounded number', async () => {
    const { mysql, clock, note, db } = setUp();
    mysql.reachable = false;
    const late = [1, 2, 3, 4].map(() =>
      assert.rejects(note({ deadlineMs: 5000 }), { reason: 'DB_UNAVAILABLE' }),
    );
    await clock.advance(100);
    assert.deepEqual([db.figures().active, db.figures().waiting], [2, 2]);
    await assert.rejects(note(), { reason: 'DB_BUSY', retryAfterMs: 1000 });
    await clock.advance(5000);
    await Promise.all(late);
    assert.deepEqual([db.figures().active, db.figures().waiting, clock.waiting], [0, 0, 0]);
    const patient = note();
    await clock.advance(6000);
    mysql.reachable = true;
    await clock.advance(300);
    await patient;
    assert.equal(mysql.committed.length, 1);
  });

  it('gives up a statement that hangs, at the deadline or when the caller does', async () => {
    const { clock, db, mysql } = setUp();
    const hang = (o: object): Promise<unknown> => db.tx((trx) => sql.raw('hang').execute(trx), o);
    const late = assert.rejects(hang({ deadlineMs: 500 }), { reason: 'DB_UNAVAILABLE' });
    await clock.advance(500);
    await late;
    const end = new AbortController();
    const given = assert.rejects(hang({ signal: end.signal }), { reason: 'CANCELLED' });
    await clock.advance(1);
    end.abort();
    await given;
    assert.equal(mysql.connects, 2);
  });

  it('passes on what the closure throws, and keeps the connection', async () => {
    const { mysql, db, note } = setUp();
    await assert.rejects(
      db.tx(async (trx) => {
        await sql.raw('note x').execute(trx);
        throw new Error('mine');
      }),
      /^Error: mine$/,
    );
    mysql.fail('note', mysqlError(1062));
    await assert.rejects(note(), { errno: 1062 });
    await note();
    assert.deepEqual(mysql.committed, ['note 2']);
    assert.equal(mysql.connects, 1);
    await assert.rejects(note({ key: 'x'.repeat(161) }), { reason: 'INVALID_FIELD' });
    await assert.rejects(
      db.tx((trx) => trx.transaction().execute(() => Promise.resolve())),
      /use db\.tx/,
    );
  });

  it('repeats reads, and closes', async () => {
    const { mysql, clock, db } = setUp();
    mysql.fail('select', broken());
    const rows = db.read((on) => sql`select 1`.execute(on));
    await clock.advance(100);
    assert.deepEqual((await rows).rows, []);
    assert.equal(db.figures().connections, 1);
    await db.close();
    assert.equal(db.figures().connections, 0);
  });
});
