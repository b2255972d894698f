import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { after, afterEach, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { connect } from '#kernel/db/connection.ts';
import type { Db } from '#kernel/db/db.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { kernelMigrations } from '#kernel/db/migrations.ts';
import { openDb, openReplica } from '#kernel/db/open-db.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { recoverGroup } from '#services/db-agent/recovery.ts';
import { type DbGroup, startDbGroup, tellNodes } from '#test/db-group.ts';

interface Tables {
  notes: { id: number; text: string };
}

/** The certificate that mysqld shows on its own port, as PEM. */
function servedCertificate(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const args = ['s_client', '-starttls', 'mysql', '-connect', `127.0.0.1:${port}`];
    const child = execFile('openssl', args, { timeout: 10_000 }, (_, out) =>
      resolve(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(out)?.[0]),
    );
    child.stdin?.end();
  });
}

describe('the database group', function () {
  this.timeout(180_000);
  let group: DbGroup;
  let db: Db<Tables>;
  const acknowledged = new Set<number>();
  let nextId = 1;

  const write = async (key?: string): Promise<void> => {
    const id = nextId++;
    await db.tx(
      async (trx) => {
        await trx
          .insertInto('notes')
          .values({ id, text: `note ${id}` })
          .execute();
        return id;
      },
      { deadlineMs: 60_000, key: key ?? `note-${id}` },
    );
    acknowledged.add(id);
  };

  /** Everything acknowledged is there, and nothing twice (the primary key sees to that). */
  const assertNothingLost = async (): Promise<void> => {
    const rows = await db.read((on) => on.selectFrom('notes').select('id').execute(), { deadlineMs: 60_000 });
    const found = new Set(rows.map((row) => row.id));
    assert.deepEqual(
      [...acknowledged].filter((id) => !found.has(id)),
      [],
    );
  };

  /** Writes from several callers until `until` resolves; all of them must be acknowledged in the end. */
  const writeDuring = async (until: () => Promise<void>): Promise<void> => {
    let go = true;
    const writers = Array.from({ length: 4 }, async () => {
      while (go) await write();
    });
    const [ended] = await Promise.allSettled([
      until().finally(() => {
        go = false;
      }),
      ...writers,
    ]);
    await Promise.all(writers);
    if (ended.status === 'rejected') throw ended.reason;
  };

  before(async () => {
    group = await startDbGroup();
    db = openDb<Tables>({ socketPath: group.rwSocket, user: 'sallyport', password: group.passwords.app });
  });
  after(async () => {
    await db?.close();
    await group?.close();
  });

  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await tellNodes(group);
  });

  it('forms from nothing', async () => {
    await group.online();
    assert.equal((await group.primary()).pod, 'db-0');
  });

  it('migrates, by an account of its own, once however many try', async () => {
    const open = (): Db<unknown> =>
      openDb({ socketPath: group.rwSocket, user: 'migrate', password: group.passwords.migrate });
    const all = [
      ...kernelMigrations,
      {
        name: 'test-0001-notes',
        up: 'create table notes (id bigint primary key, text varchar(100) not null)',
      },
    ];
    const two = [open(), open()];
    const applied = await Promise.all(two.map((one) => migrate(one, all)));
    assert.equal(applied.flat().length, all.length);
    assert.deepEqual(await migrate(two[0] ?? open(), all), []);
    await assert.rejects(
      migrate(two[0] ?? open(), [{ name: 'test-0001-notes', up: 'create table other (id int)' }]),
      {
        reason: 'CONFIG_INVALID',
      },
    );
    for (const one of two) await one.close();
    await assert.rejects(
      db.tx((trx) => sql`create table no (id int primary key)`.execute(trx)),
      { errno: 1142 },
    );
  });

  it('runs a transaction, and a keyed one only once', async () => {
    await write('the first');
    const run = (): Promise<{ n: number }> =>
      db.tx(
        async (trx) => {
          await trx.insertInto('notes').values({ id: 900_000, text: 'once' }).execute();
          return { n: 7 };
        },
        { key: 'once' },
      );
    assert.deepEqual(await run(), { n: 7 });
    assert.deepEqual(await run(), { n: 7 });
    await assert.rejects(
      db.tx((trx) => trx.insertInto('notes').values({ id: 900_000, text: 'twice' }).execute()),
      { errno: 1062 },
    );
    await assert.rejects(
      db.tx(async (trx) => {
        await trx.insertInto('notes').values({ id: 900_001, text: 'rolled back' }).execute();
        throw new Error('on second thoughts');
      }),
      /second thoughts/,
    );
    const rows = await db.read((on) =>
      on.selectFrom('notes').selectAll().where('id', '>=', 900_000).execute(),
    );
    assert.deepEqual(rows, [{ id: 900_000, text: 'once' }]);
  });

  it('gets through deadlocks', async () => {
    await db.tx((trx) =>
      trx
        .insertInto('notes')
        .values([
          { id: 910_001, text: '0' },
          { id: 910_002, text: '0' },
        ])
        .execute(),
    );
    const touch = (ids: readonly number[]): Promise<void> =>
      db.tx(
        async (trx) => {
          for (const id of ids) {
            await sql`update notes set text = text + 1 where id = ${id}`.execute(trx);
            await trx.selectFrom('notes').selectAll().execute();
          }
        },
        // Twenty that stand in each other's way take turns: how long that takes is the machine's business.
        { deadlineMs: 90_000 },
      );
    const both = [910_001, 910_002];
    await Promise.all(Array.from({ length: 20 }, (_, n) => touch(n % 2 ? both : [...both].reverse())));
    const rows = await db.read((on) =>
      on.selectFrom('notes').select('text').where('id', 'in', both).execute(),
    );
    assert.deepEqual(
      rows.map((row) => row.text),
      ['20', '20'],
    );
  });

  it('reads what was just written on a secondary', async () => {
    const replica = openReplica<Tables>({
      socketPath: group.roSocket,
      user: 'sallyport',
      password: group.passwords.app,
    });
    for (let n = 0; n < 20; n += 1) {
      await write();
      const id = nextId - 1;
      const rows = await replica.read((on) =>
        on.selectFrom('notes').select('id').where('id', '=', id).execute(),
      );
      assert.deepEqual(rows, [{ id }]);
    }
    await replica.close();
  });

  it('outlives a killed primary, which comes back by itself', async () => {
    const old = await group.primary();
    await writeDuring(async () => {
      await old.killMysqld();
      await waitFor(async () => (await group.primary()).pod !== old.pod, {
        timeoutMs: 60_000,
        what: 'a new primary',
      });
    });
    await write();
    await assertNothingLost();
    await group.online();
    assert.equal((await old.status()).role, 'SECONDARY');
  });

  it('hands over on request, without an error or a pause worth mention', async () => {
    const old = await group.primary();
    await writeDuring(async () => {
      assert.equal(await old.order('/handover'), 200);
      await waitFor(async () => (await group.primary()).pod !== old.pod, {
        timeoutMs: 30_000,
        what: 'the move',
      });
    });
    await group.online();
    await assertNothingLost();
  });

  it('an agent that is killed and started again adopts its mysqld', async () => {
    const node = await group.primary();
    const pid = node.mysqldPid();
    await node.killAgent();
    node.startAgent();
    await group.online();
    assert.equal(node.mysqldPid(), pid);
    assert.equal((await group.primary()).pod, node.pod);
  });

  it('reloads its certificates when they are replaced', async () => {
    const node = await group.primary();
    const before = await servedCertificate(node.groupPort);
    // Other names than it has: a new certificate.
    await group.pki.ensurePod(node.pod, 'db', { ips: ['127.0.0.1'], dns: ['renewed.example'] });
    await waitFor(async () => (await servedCertificate(node.groupPort)) !== before, {
      timeoutMs: 30_000,
      what: 'the new certificate',
    });
  });

  for (const round of [1, 2, 3]) {
    it(`comes back with everything after all processes were killed under writes (${round})`, async () => {
      await writeDuring(async () => {
        const before = acknowledged.size;
        await waitFor(() => acknowledged.size > before + 20, { timeoutMs: 60_000, what: 'writes' });
        // In no order that would suit the group.
        await Promise.all(group.nodes.flatMap((node) => [node.killMysqld(), node.killAgent()]));
        // An agent may have started its mysqld again before it died.
        await Promise.all(group.nodes.map((node) => node.killMysqld()));
        for (const node of group.nodes) node.startAgent();
        await group.online(3, 120_000);
      });
      await write();
      await assertNothingLost();
    });
  }

  it('without a node that is lost for good waits for an operator, loses nothing by his word, and takes it back', async () => {
    const nodes = group.nodes.map(({ pod, agentSocket }) => ({
      pod,
      agent: { socketPath: agentSocket, host: 'agent' },
    }));
    const said: string[] = [];
    const options = {
      nodes,
      timeoutMs: 120_000,
      silenceMs: 1000,
      clock: systemClock,
      progress: (line: string) => said.push(line),
    };
    const primary = await group.primary();
    const away = group.nodes.find((node) => node !== primary);
    assert.ok(away);
    await writeDuring(async () => {
      const before = acknowledged.size;
      await waitFor(() => acknowledged.size > before + 20, { timeoutMs: 60_000, what: 'writes' });
      const left = group.nodes.filter((node) => node !== away);
      const killAll = async (gone: typeof left): Promise<void> => {
        await Promise.all(gone.flatMap((node) => [node.killMysqld(), node.killAgent()]));
        await Promise.all(gone.map((node) => node.killMysqld()));
      };
      // First, and the others write on: killed at one time, it may have learned of a commit that nobody else
      // wrote down, and would be kept out as a node with data of its own.
      await killAll([away]);
      const since = acknowledged.size;
      await waitFor(() => acknowledged.size > since + 20, { timeoutMs: 60_000, what: 'writes without it' });
      await killAll(left);
      for (const node of left) node.startAgent();
      await waitFor(
        async () => (await Promise.all(left.map((node) => node.status()))).every((s) => s.phase === 'idle'),
        { timeoutMs: 60_000, what: 'two agents at rest' },
      );
      await assert.rejects(recoverGroup({ ...options, force: false }), (error) => {
        const { reason, message } = SallyportError.from(error);
        assert.equal(reason, 'DB_NODES_MISSING');
        assert.match(
          message,
          new RegExp(`without ${away.pod};.*${primary.pod} was the primary, and is here`),
        );
        return true;
      });
      const done = await recoverGroup({ ...options, force: true });
      assert.deepEqual([done.missing, done.putAside], [[away.pod], []]);
      assert.match(done.mayHaveLost, /nothing that was acknowledged/);
      assert.ok(said.some((line) => line.includes('forms the group on your word')));
      await write();
    });
    await assertNothingLost();
    // Not lost after all: it has nothing that the others do not have, and joins by itself.
    away.startAgent();
    await group.online(3, 120_000);
    assert.equal((await recoverGroup({ ...options, force: false })).forced, undefined);
  });

  it('a node whose disk was lost while its agent lives is copied anew', async () => {
    const primary = await group.primary();
    const lost = group.nodes.find((node) => node !== primary);
    assert.ok(lost);
    await writeDuring(async () => {
      await rm(join(lost.dir, 'data'), { recursive: true });
      await lost.killMysqld();
      await group.online(3, 120_000);
    });
    await assertNothingLost();
  });

  it('a node with data of its own is kept out until an operator has them put aside', async () => {
    const primary = await group.primary();
    const odd = group.nodes.find((node) => node !== primary);
    assert.ok(odd);
    const root = async () =>
      connect({
        socketPath: odd.mysqldSocket,
        user: 'root',
        password: group.passwords.root,
        connectTimeoutMs: 5000,
      });
    // As after a group was formed without a node that had more than the others.
    await odd.killAgent();
    const on = await root();
    await on.run('stop group_replication');
    await on.run('set global super_read_only = 0');
    await on.run("insert into sallyport.notes values (990000, 'known to nobody else')");
    on.cut(new Error('done'));
    odd.startAgent();
    const waits = await waitFor(async () => (await odd.status()).waitingFor, {
      timeoutMs: 60_000,
      what: 'the agent to see it',
    });
    assert.match(waits, /an operator: the group does not have/);
    assert.equal(await primary.order('/rebuild'), 409);
    assert.equal(await odd.order('/rebuild'), 202);
    await group.online(3, 120_000);
    const there = openDb<Tables>({
      socketPath: odd.mysqldSocket,
      user: 'sallyport',
      password: group.passwords.app,
    });
    const rows = await there.read((at) =>
      at.selectFrom('notes').select('id').where('id', '=', 990_000).execute(),
    );
    await there.close();
    assert.deepEqual(rows, []);
    assert.ok((await readdir(odd.dir)).includes('data.aside'));
    await assertNothingLost();
  });

  it('recovers when two of three die, once they are back', async () => {
    const [one, two] = group.nodes;
    await writeDuring(async () => {
      await Promise.all([one?.killMysqld(), two?.killMysqld()]);
      await group.online(3, 120_000);
    });
    await assertNothingLost();
  });

  it('a primary that stood still for a while is put in its place when it wakes', async () => {
    const old = await group.primary();
    const pid = old.mysqldPid();
    assert.ok(pid);
    await writeDuring(async () => {
      process.kill(pid, 'SIGSTOP');
      try {
        await waitFor(async () => (await group.primary()).pod !== old.pod, {
          timeoutMs: 60_000,
          what: 'a primary',
        });
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      // For some seconds it still claims to be what it was, and is not believed.
      await waitFor(
        async () => {
          const { state, role, offlineMode } = await old.status();
          return state === 'ONLINE' && role === 'SECONDARY' && !offlineMode;
        },
        { timeoutMs: 60_000, what: `${old.pod} as a secondary` },
      );
    });
    await assertNothingLost();
  });

  it('a node that lost its disk gets the data back, by a clone where the logs are gone', async () => {
    const primary = await group.primary();
    const lost = group.nodes.find((node) => node !== primary) ?? primary;
    for (const node of group.nodes) {
      const root = await connect({
        socketPath: node.mysqldSocket,
        user: 'root',
        password: group.passwords.root,
        connectTimeoutMs: 5000,
      });
      await root.run('flush binary logs');
      await root.run('purge binary logs before now() + interval 1 day');
      root.cut(new Error('done'));
    }
    await lost.killAgent();
    await lost.killMysqld();
    await rm(join(lost.dir, 'data'), { recursive: true });
    lost.startAgent();
    await group.online();
    const there = openDb<Tables>({
      socketPath: lost.mysqldSocket,
      user: 'sallyport',
      password: group.passwords.app,
    });
    const rows = await there.read((on) => on.selectFrom('notes').select('id').execute());
    assert.ok(rows.length >= acknowledged.size);
    await there.close();
  });

  it('a planned stop moves the primary and ends both processes; a restart rejoins', async () => {
    const old = await group.primary();
    await writeDuring(async () => {
      assert.equal(await old.order('/stop', { handover: true }), 202);
      await old.ended(60_000);
      await waitFor(async () => (await group.primary()).pod !== old.pod, {
        timeoutMs: 10_000,
        what: 'a primary',
      });
    });
    old.startAgent();
    await group.online();
    await assertNothingLost();
  });

  it('all stop at once without a hand-over, and come back', async () => {
    await write();
    for (const node of group.nodes) assert.equal(await node.order('/stop', { handover: false }), 202);
    await Promise.all(group.nodes.map((node) => node.ended(60_000)));
    for (const node of group.nodes) node.startAgent();
    await group.online();
    await assertNothingLost();
  });
});
