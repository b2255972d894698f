import assert from 'node:assert/strict';
import {
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
import { afterEach, beforeEach, describe, it } from 'mocha';
import { withLock } from '#compose/parts/lock.ts';
import { installingMark } from '#compose/runner/unfinished-restore.ts';
import { type Documents, documents, names } from '#services/db-agent/backup/documents.ts';
import { folderStore } from '#services/db-agent/backup/folder-store.ts';
import { makeKeyFile, newDataKey, readKeyFile } from '#services/db-agent/backup/seal.ts';
import type { BackupStore } from '#services/db-agent/backup/store.ts';
import { runCli } from '../run-cli.ts';
import { testContext } from '../test-context.ts';
import { install } from './install.ts';

const parts = { env: process.env, progress: () => {} };
const id = '20261127T020000Z-3f1a';
const stream = '20261127T010000Z-db-1-3f1a';

describe('the commands for backups', function () {
  this.timeout(60_000);
  let dir: string;
  let keyFile: string;
  let store: BackupStore;
  let kept: Documents;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sallyport-backup-cli-'));
    keyFile = join(dir, 'mesh/secrets/backup.key');
    mkdirSync(join(dir, 'mesh/secrets'), { recursive: true });
    await makeKeyFile(keyFile);
    store = folderStore(join(dir, 'kept'));
    const key = await readKeyFile(keyFile);
    kept = documents(store, key);
    await kept.putManifest({
      ...{ version: 1, id, meshId: '0123456789abcdef', pod: 'db-1', mysql: '9.7', parts: [] },
      ...{ takenAtMs: 1000, tookMs: 1, wrappedKey: newDataKey(key).wrapped, log: { stream, seq: 0 } },
      witness: { file: 'binlog.000001', position: 4, gtid: '', tables: {} },
    });
    await kept.putProof({ id, provenAtMs: 1, tookMs: 1, rows: 1, tables: 1 });
    const mark = { stream, pod: 'db-1', first: 0, seq: 1, readAtMs: 2000, gtid: '', worstLossMs: 1 };
    await kept.putMark(mark);
    await store.put(names.segment(stream, 0), Buffer.from('sealed'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const run = async (...args: string[]) => {
    const { context, written } = testContext({ cwd: dir, env: process.env });
    const code = await runCli(['backup', ...args, '--json'], context);
    return { code, json: JSON.parse(written.out.trim().split('\n').at(-1) ?? ''), ...written };
  };
  const from = (target = 'kept') => ['--from', target, '--key-file', keyFile, '--state', join(dir, 'mesh')];

  it('list what a restore would not find', async () => {
    assert.equal((await run('list', ...from())).json.ok, true);
    await store.put('log/mark', Buffer.from('junk'));
    assert.equal((await run('list', ...from())).json.ok, true, 'of no concern to any snapshot');
    for (const name of [names.segment(stream, 0), names.mark(stream)]) {
      const was = await store.get(name);
      await store.remove(name);
      const { code, json } = await run('list', ...from());
      assert.notEqual(code, 0);
      assert.equal(json.items[0].damaged, `${name}: it is missing`);
      await store.put(name, was ?? Buffer.alloc(0));
    }
  });

  it('say that there is none where there is none', async () => {
    writeFileSync(join(dir, 'file'), '');
    for (const target of ['file', 'nowhere']) {
      const { code, json } = await run('list', ...from(target));
      assert.notEqual(code, 0);
      assert.equal(json.error.code, 'NOT_FOUND');
    }
  });

  it('schedule none for a folder without a mesh, and make no key', async () => {
    const { code, json } = await run('schedule', '--to', 'kept', '--state', join(dir, 'none'));
    assert.notEqual(code, 0);
    assert.equal(json.error.code, 'NOT_FOUND');
    assert.equal(existsSync(join(dir, 'none')), false);
  });

  it('schedule none that cannot be kept or sealed, and leave no key behind', async () => {
    const state = join(dir, 'mesh');
    mkdirSync(join(state, 'pki'));
    rmSync(keyFile);
    const kept = await run('schedule', '--to', '/proc/nothing', '--state', state);
    assert.equal(kept.json.error.code, 'BACKUP_TARGET');
    assert.equal(existsSync(keyFile), false);
    const sealed = await run('schedule', '--to', 'new', '--key-file', '/proc/nothing/key', '--state', state);
    assert.equal(sealed.json.error.code, 'BACKUP_KEY_WRONG');
    assert.equal(existsSync(join(state, 'backup.json')), false);
  });

  it('restore into a folder once at a time', async () => {
    const state = join(dir, 'new');
    mkdirSync(join(state, 'restore.unfinished'), { recursive: true });
    const second = await withLock(join(state, 'restore.lock'), 'restoring', parts, () =>
      run('restore', '--from', 'kept', '--key-file', keyFile, '--state', state, '--yes'),
    );
    assert.equal(second.json.error.code, 'RESTORE_RUNNING', second.err);
    assert.ok(existsSync(join(state, 'restore.unfinished')), 'it is the work of the first');
  });

  it('go on with a restore that was cut off when the key had been moved aside', async () => {
    const stateDir = join(dir, 'mesh');
    const key = readFileSync(keyFile, 'utf8');
    mkdirSync(join(stateDir, 'pods'));
    const restored = (): string => {
      const folder = join(stateDir, 'restore.unfinished');
      mkdirSync(join(folder, 'data'), { recursive: true });
      mkdirSync(join(folder, 'state/secrets'), { recursive: true });
      return folder;
    };
    // `secrets` is moved before `pods`, whose place is taken.
    mkdirSync(join(stateDir, 'before-restore-1/pods/there'), { recursive: true });
    await assert.rejects(install({ stateDir, folder: restored(), keyFile, parts, name: '1' }), /ENOTEMPTY/);
    assert.equal(existsSync(keyFile), false);
    assert.ok(existsSync(installingMark(stateDir)));
    assert.equal((await run('list', ...from())).code, 0, 'the key is found');
    await install({ stateDir, folder: restored(), keyFile, parts, name: '2' });
    assert.equal(readFileSync(keyFile, 'utf8'), key);
    assert.deepEqual(
      readdirSync(stateDir).filter((name) => name.startsWith('restore.')),
      [],
    );
  });
});
