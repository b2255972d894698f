import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { after, before, describe, it } from 'mocha';
import { findMysql, type MysqlPart } from '#compose/parts/mysql.ts';
import { SallyportError } from '#core/errors/error.ts';
import { writeStateFile } from '#kernel/config/state-file.ts';
import type { Db } from '#kernel/db/db.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { bringUpToDate } from '#services/cli/backup/bring-up-to-date.ts';
import { chooseSnapshot } from '#services/db-agent/backup/choose-snapshot.ts';
import {
  documents,
  type Manifest,
  names as objects,
  snapshotIds,
} from '#services/db-agent/backup/documents.ts';
import type { Source } from '#services/db-agent/backup/fetch-snapshot.ts';
import { firstCommitBeyond } from '#services/db-agent/backup/first-commit.ts';
import { folderStore } from '#services/db-agent/backup/folder-store.ts';
import { freezeNode } from '#services/db-agent/backup/freeze.ts';
import type { BackupJob } from '#services/db-agent/backup/job.ts';
import { proveSnapshot } from '#services/db-agent/backup/prove.ts';
import { readBackup } from '#services/db-agent/backup/read-backup.ts';
import { restoreData } from '#services/db-agent/backup/restore-data.ts';
import { makeKeyFile, readKeyFile } from '#services/db-agent/backup/seal.ts';
import { withThrowaway } from '#services/db-agent/backup/throwaway.ts';
import { type LocalDb, onLocal } from '#services/db-agent/local-sql.ts';
import { securityMigrations } from '#services/security/store/migrations.ts';
import { cli } from '#test/cli-runner.ts';
import { type DbGroup, startDbGroup } from '#test/db-group.ts';
import { askAgent } from '#test/db-relay.ts';

const readAll = async (source: Source, id: string): Promise<unknown> =>
  readBackup(source, await source.documents.manifest(id));

const refused = (error: unknown): boolean =>
  ['BACKUP_DAMAGED', 'BACKUP_KEY_WRONG', 'NOT_FOUND'].includes(SallyportError.from(error).reason);

describe('backups of a database group', function () {
  this.timeout(180_000);
  let group: DbGroup;
  let db: Db<unknown>;
  let mysql: MysqlPart;
  let folder: string;
  let source: Source;
  let job: BackupJob;

  before(async () => {
    group = await startDbGroup({ pods: 2 });
    folder = mkdtempSync(join(tmpdir(), 'sallyport-backup-'));
    mysql = await findMysql({ env: process.env, progress: () => {} });
    const keyFile = join(folder, 'backup.key');
    await makeKeyFile(keyFile);
    const store = folderStore(join(folder, 'kept'));
    const key = await readKeyFile(keyFile);
    source = { store, key, documents: documents(store, key) };
    await group.online();
    const admin = openDb({ socketPath: group.rwSocket, user: 'migrate', password: group.passwords.migrate });
    // As the release before this one had it.
    await migrate(admin, securityMigrations.slice(0, -1));
    await admin.close();
    db = openDb({ socketPath: group.rwSocket, user: 'sallyport', password: group.passwords.app });
    mkdirSync(join(group.dir, 'secrets'));
    writeFileSync(join(group.dir, 'secrets', 'root.key'), 'the root key\n');
    job = {
      ...{ version: 1, target: join(folder, 'kept'), keyFile, everySeconds: 0 },
      ...{ logSeconds: 1, keepHours: 24, keepDays: 14 },
    };
    writeStateFile(join(group.dir, 'backup.json'), job);
  });
  after(async () => {
    await db?.close();
    await group?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const addUser = (name: string): Promise<unknown> =>
    db.tx(
      (trx) =>
        sql`insert into users (name, display_name, created_ms, updated_ms)
          values (${name}, ${name}, ${Date.now()}, ${Date.now()})`.execute(trx),
      { idempotent: true, deadlineMs: 60_000 },
    );

  /** The agent's answer, of the one node that makes backups. */
  const maker = () =>
    waitFor(
      async () => {
        for (const node of group.nodes) {
          const answer = await node.backup();
          if (answer.mine) return { node, answer };
        }
        return undefined;
      },
      { timeoutMs: 60_000, what: 'a node that makes backups' },
    );

  const snapshotNow = async (): Promise<Manifest> => {
    const { node } = await maker();
    assert.equal(await askAgent(node.agentSocket, 'POST', '/backup'), 202);
    const { asked } = await node.backup();
    const { word } = await waitFor(
      async () => {
        const answer = await node.backup();
        return (answer.word?.answered ?? 0) >= asked ? answer : undefined;
      },
      { timeoutMs: 120_000, what: 'a snapshot' },
    );
    assert.equal(word?.error, undefined);
    return source.documents.manifest(word?.last?.id ?? '');
  };

  /** Waits until the log has been brought as of now. */
  const shipped = async (): Promise<void> => {
    const now = Date.now();
    await waitFor(async () => (await source.documents.log()).marks.some(({ readAtMs }) => readAtMs > now), {
      timeoutMs: 60_000,
      what: 'the log to be brought',
    });
  };

  const restoreTo = (
    at: string,
    manifest: Manifest,
    stopAtMs?: number,
    o: { from?: Source; log?: boolean } = {},
  ) =>
    restoreData(o.from ?? source, manifest, {
      ...{ tools: mysql, folder: join(folder, at), stopAtMs, log: o.log ?? true },
      nextEra: (before) => before + 1,
      blockDevices: false,
      bringUpToDate: (on) => bringUpToDate(on, () => {}),
      progress: () => {},
      signal: new AbortController().signal,
    });

  const usersIn = (at: string): Promise<string[]> =>
    withThrowaway(mysql, join(folder, at, 'data'), async ({ account }) => {
      const { rows } = await onLocal(account, 30_000, 'reading users', (on) =>
        sql<{ name: string }>`select name from sallyport.users order by name`.execute(on),
      );
      return rows.map(({ name }) => name);
    });

  it('are made by a secondary, and each is restored and compared', async () => {
    await addUser('anna');
    const manifest = await snapshotNow();
    const { node } = await maker();
    assert.equal(node.pod, 'db-1');
    assert.equal((await group.primary()).pod, 'db-0');
    assert.equal(manifest.witness.tables.users?.rows, 1);
    const proof = await source.documents.proof(manifest.id);
    assert.equal(proof?.tables, Object.keys(manifest.witness.tables).length);
    // Neither a copy nor a trial is left behind.
    assert.deepEqual([existsSync(join(node.dir, 'backup', 'proof'))], [false]);
  });

  it('restore to the last second by the log, in a new era, with the keys of the mesh', async () => {
    await addUser('bert');
    await shipped();
    const manifest = await chooseSnapshot(source, {});
    const restored = await restoreTo('whole', manifest);
    assert.deepEqual(await usersIn('whole'), ['anna', 'bert']);
    assert.equal(restored.era, 2);
    assert.deepEqual(restored.missing, []);
    assert.deepEqual(restored.migrated, [securityMigrations.at(-1)?.name]);
    assert.equal(readFileSync(join(folder, 'whole/state/secrets/root.key'), 'utf8'), 'the root key\n');
  });

  it('are refused when a newer release has made them', async () => {
    const asTomorrow = async (on: LocalDb): Promise<string[]> => {
      await sql`insert into sallyport.migrations (name, digest, begun, done)
        values ('security-9999-of-tomorrow', '', utc_timestamp(), utc_timestamp())`.execute(on);
      return bringUpToDate(on, () => {});
    };
    await withThrowaway(mysql, join(folder, 'whole', 'data'), ({ account }) =>
      assert.rejects(
        onLocal(account, 60_000, 'bringing it up to date', asTomorrow),
        (error) => SallyportError.from(error).reason === 'BACKUP_NEWER' && /of-tomorrow/.test(String(error)),
      ),
    );
  });

  it('restore to a time, and tell what is left out', async () => {
    await systemClock.sleep(2000);
    const before = Date.now();
    await systemClock.sleep(1000);
    await addUser('carl');
    await shipped();
    const manifest = await chooseSnapshot(source, { beforeMs: before });
    const restored = await restoreTo('then', manifest, before);
    assert.deepEqual(await usersIn('then'), ['anna', 'bert']);
    assert.deepEqual(
      restored.missing.map(({ what, subject }) => `${what} ${subject}`),
      ['change of a user carl'],
    );
  });

  it('are refused when a byte is another one, wherever it is, or something is missing', async () => {
    // A copy: what is made at present would put right what is bent. Marks first: they tell of what is there already.
    const store = folderStore(join(folder, 'bent'));
    const isMark = (name: string): boolean => name.endsWith('/mark');
    for (const marks of [true, false]) {
      const there = [...(await source.store.list('snapshots')), ...(await source.store.list('log'))];
      for (const name of there.filter((each) => isMark(each) === marks))
        await store.put(name, (await source.store.get(name)) ?? Buffer.alloc(0));
    }
    const bentSource = { store, key: source.key, documents: documents(store, source.key) };
    const manifest = await chooseSnapshot(bentSource, {});
    const own = await store.list(`snapshots/${manifest.id}`);
    const mark = (await bentSource.documents.log()).marks.find(
      ({ stream }) => stream === manifest.log.stream,
    );
    assert.ok(mark);
    const log = [
      ...[manifest.log.seq, mark.seq - 1].map((seq) => objects.segment(mark.stream, seq)),
      objects.mark(mark.stream),
    ];
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed % below;
    };
    const names = [...own.filter((name) => !name.endsWith('proof')), ...log];
    for (const name of [...names, ...names]) {
      const whole = await store.get(name);
      assert.ok(whole);
      const bent = Buffer.from(whole);
      const at = random(bent.length);
      bent[at] = (bent[at] ?? 0) ^ (1 << random(8));
      for (const bad of [bent, whole.subarray(0, at)]) {
        await store.put(name, bad);
        await assert.rejects(readAll(bentSource, manifest.id), refused, `${name} at ${at}`);
      }
      await store.remove(name);
      await assert.rejects(readAll(bentSource, manifest.id), refused, `${name} missing`);
      await store.put(name, whole);
    }
    await readAll(bentSource, manifest.id);
    // The snapshot is worth something without its log.
    await store.put(objects.mark(mark.stream), Buffer.from('junk'));
    await assert.rejects(restoreTo('alone', manifest, undefined, { from: bentSource }), refused);
    const alone = await restoreTo('alone', manifest, undefined, { from: bentSource, log: false });
    assert.equal(alone.coveredUntilMs, manifest.takenAtMs);
    assert.deepEqual(await usersIn('alone'), ['anna']);
  });

  it('are refused under another key', async () => {
    const file = join(folder, 'other.key');
    await makeKeyFile(file);
    const key = await readKeyFile(file);
    const other = { ...source, key, documents: documents(source.store, key) };
    await assert.rejects(
      chooseSnapshot(other, {}),
      (error) => SallyportError.from(error).reason === 'BACKUP_KEY_WRONG',
    );
  });

  it('restore over a mesh only when told to, and put aside what was there', async () => {
    const stateDir = join(folder, 'there');
    cpSync(join(group.dir, 'pki'), join(stateDir, 'pki'), { recursive: true });
    mkdirSync(join(stateDir, 'pods', 'db-0'), { recursive: true });
    writeFileSync(join(stateDir, 'pods', 'db-0', 'what'), 'was there');
    const args = ['backup', 'restore', '--state', stateDir, '--from', job.target, '--key-file', job.keyFile];
    const refusedFirst = await cli(...args, '--yes');
    assert.notEqual(refusedFirst.code, 0);
    assert.match(refusedFirst.said, /RESTORE_OVER_MESH/);
    assert.deepEqual(readdirSync(stateDir).sort(), ['pki', 'pods']);
    await db.tx(
      (trx) =>
        sql`insert into shared_keys
          (route_key, device_id, device_name, user, app_id, platform, sealed_key, created_ms)
          values (${'r'.repeat(22)}, ${'d'.repeat(22)}, 'phone', 'anna', 'app', 'linux', 'x', 1)`.execute(
          trx,
        ),
      { idempotent: true, deadlineMs: 60_000 },
    );
    await shipped();
    const done = await cli(...args, '--yes', '--replace', '--block-devices');
    assert.equal(done.code, 0, done.said);
    assert.match(done.said, /1 devices are blocked.*\n.*devices unblock --blocked-by restore\/era-2\n/);
    await withThrowaway(mysql, join(stateDir, 'pods/db-2/data'), ({ account }) =>
      onLocal(account, 30_000, 'looking at the device', async (on) => {
        const { rows } = await sql<{
          blocked_by: string;
        }>`select blocked_by from sallyport.shared_keys`.execute(on);
        assert.deepEqual(rows, [{ blocked_by: 'restore/era-2' }]);
      }),
    );
    const [aside] = readdirSync(stateDir).filter((name) => name.startsWith('before-restore-'));
    assert.equal(readFileSync(join(stateDir, aside ?? '', 'pods/db-0/what'), 'utf8'), 'was there');
    assert.ok(existsSync(join(stateDir, 'pods/db-2/data/auto.cnf')));
    assert.equal(existsSync(join(stateDir, 'restore.unfinished')), false);
    assert.equal((await source.documents.lastEra()).era, 2);
  });

  it('of disks find a node that is held still, and let go in the end', async () => {
    const [, secondary] = group.nodes;
    assert.ok(secondary);
    const as = { socketPath: secondary.mysqldSocket, user: 'root', password: group.passwords.root };
    const there = async (): Promise<boolean> => {
      const { rows } = await onLocal(as, 30_000, 'reading users', (on) =>
        sql`select 1 from sallyport.users where name = 'dora'`.execute(on),
      );
      return rows.length > 0;
    };
    const end = new AbortController();
    let frozen = false;
    const freezing = freezeNode(as, {
      ...{ ms: 60_000, clock: systemClock, signal: end.signal },
      onFrozen: () => {
        frozen = true;
      },
    });
    await waitFor(() => frozen, { timeoutMs: 30_000, what: 'the node to hold still' });
    await addUser('dora');
    await systemClock.sleep(500);
    assert.equal(await there(), false);
    end.abort();
    await freezing;
    await waitFor(there, { timeoutMs: 30_000, what: 'the node to catch up' });
  });

  it('bring a revocation at once, and know since when others wait', async () => {
    // Nothing else brings the log before an hour has passed.
    const before = new Set((await source.documents.log()).marks.map(({ stream }) => stream));
    writeStateFile(join(group.dir, 'backup.json'), { ...job, logSeconds: 3600 });
    const brought = await waitFor(
      async () => (await source.documents.log()).marks.find(({ stream }) => !before.has(stream)),
      { timeoutMs: 60_000, what: 'a first stretch of the log under the new schedule' },
    );
    const began = Date.now();
    await addUser('emil');
    const { node } = await maker();
    const data = join(node.dir, 'data');
    const files = readdirSync(data).filter((name) => /^binlog\.\d+$/.test(name));
    const paths = files.sort().map((name) => join(data, name));
    const first = await firstCommitBeyond(mysql.mysqlbinlog, paths, brought.gtid);
    assert.ok(first !== undefined && first >= began && first <= Date.now(), `${first}, not ${began}`);
    await db.tx(
      async (trx) => {
        await sql`update feed_counter set position = 1 where id = 1`.execute(trx);
        await sql`insert into revocations (position, kind, subject, reason, committed_ms)
          values (1, 'user', 'anna', 'left', ${Date.now()})`.execute(trx);
      },
      { idempotent: true, deadlineMs: 60_000 },
    );
    await shipped();
    writeStateFile(join(group.dir, 'backup.json'), job);
    await shipped();
  });

  it('go on at another node when the agent that makes them is killed, without a gap', async () => {
    const first = await maker();
    // Its mysqld stays: one of two has no majority, and nobody would make any.
    await first.node.killAgent();
    const second = await maker();
    assert.notEqual(second.node.pod, first.node.pod);
    await shipped();
    const { marks } = await source.documents.log();
    assert.equal(new Set(marks.map(({ pod }) => pod)).size, 2);
    const manifest = await chooseSnapshot(source, {});
    assert.equal(manifest.log.stream.includes(first.node.pod), true);
    // What it was bringing when it died is half there, and nothing says that it is whole.
    const mark = marks.find(({ stream }) => stream === manifest.log.stream);
    assert.ok(mark);
    const torn = (await source.store.get(objects.segment(mark.stream, mark.seq - 1)))?.subarray(0, 40);
    await source.store.put(objects.segment(mark.stream, mark.seq), torn ?? Buffer.alloc(0));
    await readAll(source, manifest.id);
    await restoreTo('after', manifest);
    assert.deepEqual(await usersIn('after'), ['anna', 'bert', 'carl', 'dora', 'emil']);
    assert.deepEqual((await snapshotIds(source.store)).length, 1);
    const proof = await proveSnapshot(source, manifest, {
      ...{ tools: mysql, scratch: join(folder, 'proof'), clock: systemClock },
    });
    assert.ok(proof.rows > 0);
  });
});
