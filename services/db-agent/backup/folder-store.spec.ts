import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { folderStore } from './folder-store.ts';

describe('a folder of backups', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sallyport-folder-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('is made with its parents, for nobody else to read', async () => {
    const store = folderStore(join(dir, 'a', 'b'));
    await store.put('log/x', Buffer.from('x'));
    assert.equal((await store.get('log/x'))?.toString(), 'x');
    assert.equal(statSync(join(dir, 'a')).mode & 0o777, 0o700);
  });

  it('where none can be made says so', async () => {
    await assert.rejects(
      folderStore('/proc/nothing/here').put('writable', Buffer.from('')),
      (error) => SallyportError.from(error).reason === 'BACKUP_TARGET',
    );
  });

  it('holds plain files only: nobody waits for what somebody may write into a FIFO', async () => {
    const store = folderStore(dir);
    mkdirSync(join(dir, 'snapshots/a/manifest'), { recursive: true });
    execFileSync('mkfifo', [join(dir, 'snapshots/a/part')]);
    assert.equal(await store.get('snapshots/a/part'), undefined);
    assert.equal(await store.get('snapshots/a/manifest'), undefined);
    assert.deepEqual(await store.list('snapshots'), []);
  });

  it('may be the root of a file system', async () => {
    await folderStore(dir).put('log/x', Buffer.from('x'));
    assert.deepEqual(await folderStore('/').list(dir.slice(1)), [join(dir.slice(1), 'log/x')]);
  });
});
