import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { S3mini } from 's3mini';
import { SallyportError } from '#core/errors/error.ts';
import { documents, snapshotIds, unfinishedIds } from '#services/db-agent/backup/documents.ts';
import { openSnapshot } from '#services/db-agent/backup/fetch-snapshot.ts';
import { resumeSpooled } from '#services/db-agent/backup/snapshot.ts';
import { type BackupStore, openStore, type StoreOptions } from '#services/db-agent/backup/store.ts';
import { portFinder } from '#test/ports.ts';
import { type Server, startS3, startSftp } from '#test/tools/object-servers.ts';
import { spoolSnapshot } from '#test/tools/spool-snapshot.ts';

const killedUpload = join(import.meta.dirname, '..', 'tools', 'killed-upload.ts');
const parts = { env: process.env, progress: () => {} };
const reason = (is: string) => (error: unknown) => SallyportError.from(error).reason === is;

/** A place for backups, and what takes it away. */
interface Place {
  readonly options: StoreOptions;
  /** Ends the server; undefined where there is none. */
  readonly away: (() => Promise<void>) | undefined;
  readonly close: () => Promise<void>;
}

function folder(dir: string): Promise<Place> {
  return Promise.resolve({ options: { target: join(dir, 'kept') }, away: undefined, close: async () => {} });
}

async function s3(dir: string): Promise<Place> {
  const port = await portFinder()();
  const server = await startS3(port, parts);
  const credentialsFile = join(dir, 's3.json');
  const keys = { accessKeyId: 'somebody', secretAccessKey: 'something' };
  writeFileSync(credentialsFile, JSON.stringify(keys), { mode: 0o600 });
  const endpoint = `http://127.0.0.1:${server.port}`;
  try {
    await new S3mini({ ...keys, endpoint: `${endpoint}/mesh`, region: 'eu-west-1' }).createBucket();
  } catch (error) {
    await server.stop();
    throw error;
  }
  const target = `s3://mesh/backups?region=eu-west-1&endpoint=${encodeURIComponent(endpoint)}`;
  return { options: { target, credentialsFile }, away: server.stop, close: server.stop };
}

async function sftp(dir: string): Promise<Place> {
  const port = await portFinder()();
  const key = (name: string): string => {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(dir, name)]);
    return join(dir, name);
  };
  const [hostKey, clientKey] = [key('host'), key('client')];
  mkdirSync(join(dir, 'served'));
  const of = { folder: join(dir, 'served'), hostKey, clientKey: `${clientKey}.pub` };
  const server: Server = await startSftp(port, of, parts);
  const shown =
    execFileSync('ssh-keygen', ['-lf', `${hostKey}.pub`], { encoding: 'utf8' }).split(' ')[1] ?? '';
  return {
    options: {
      target: `sftp://mesh@127.0.0.1:${server.port}/kept`,
      credentialsFile: clientKey,
      hostKey: shown,
    },
    away: server.stop,
    close: server.stop,
  };
}

for (const [name, make] of Object.entries({ 'a folder': folder, S3: s3, SFTP: sftp })) {
  describe(`backups kept by ${name}`, function () {
    this.timeout(180_000);
    let dir: string;
    let place: Place;
    let store: BackupStore;

    before(async () => {
      dir = mkdtempSync(join(tmpdir(), 'sallyport-store-'));
      place = await make(dir);
      store = await openStore(place.options);
    });
    after(async () => {
      await store?.close();
      await place?.close();
      rmSync(dir, { recursive: true, force: true });
    });

    it('come back as they were, the last one of a name', async () => {
      const large = Buffer.alloc(5_000_000, 'x\0y');
      await store.put('snapshots/a/part', large);
      assert.ok((await store.get('snapshots/a/part'))?.equals(large));
      await store.put('snapshots/a/part', Buffer.from('other'));
      assert.equal((await store.get('snapshots/a/part'))?.toString(), 'other');
      await store.put('snapshots/a/empty', Buffer.alloc(0));
      assert.equal((await store.get('snapshots/a/empty'))?.length, 0);
      assert.equal(await store.get('snapshots/a/none'), undefined);
    });

    it('are listed with all that is below, in order', async () => {
      assert.deepEqual(await store.list('nothing'), []);
      const names = Array.from({ length: 30 }, (_, n) => `log/${n % 2 === 0 ? 'a' : 'ab'}/${100 + n}`);
      for (const each of names) await store.put(each, Buffer.from(each));
      assert.deepEqual(await store.list('log'), names.toSorted());
      // A name that another one begins with is no folder of its.
      assert.deepEqual(
        await store.list('log/a'),
        names.filter((each) => each.startsWith('log/a/')),
      );
    });

    it('go on with an upload whose sender was killed, and count only when whole', async () => {
      const key = await spoolSnapshot(dir, 'cut');
      const of = { store, documents: documents(store, key), spoolDir: join(dir, 'spool') };
      const arg = JSON.stringify({ ...place.options, keyFile: join(dir, 'key'), spoolDir: of.spoolDir });
      const sender = spawn(process.execPath, [killedUpload, arg], { stdio: ['ignore', 'ignore', 'inherit'] });
      const [, signal] = await once(sender, 'close');
      assert.equal(signal, 'SIGKILL');
      const sent = await store.list('snapshots/cut');
      assert.ok(sent.length >= 1, String(sent));
      for (const each of sent) {
        const digest = createHash('sha256')
          .update((await store.get(each)) ?? '')
          .digest('hex');
        assert.ok(each.endsWith(digest.slice(0, 16)), `${each} is not whole`);
      }
      assert.deepEqual(await snapshotIds(store), []);
      assert.ok((await unfinishedIds(store)).includes('cut'));
      const again: string[] = [];
      const put: BackupStore['put'] = (name, bytes) => {
        again.push(name);
        return store.put(name, bytes);
      };
      const counted = { ...store, put };
      const goOn = { ...of, store: counted, documents: documents(counted, key) };
      const [manifest] = await resumeSpooled({ ...goOn, signal: new AbortController().signal });
      assert.ok(manifest);
      assert.deepEqual(
        again.filter((each) => sent.includes(each)),
        [],
      );
      assert.equal(
        again.filter((each) => each.includes('/part-')).length,
        manifest.parts.length - sent.length,
      );
      for await (const piece of openSnapshot({ ...of, key }, manifest)) assert.ok(piece.length > 0);
      assert.deepEqual(readdirSync(of.spoolDir), []);
    });

    it('are removed, also twice', async () => {
      await store.put('eras/1', Buffer.from('1'));
      await store.remove('eras/1');
      await store.remove('eras/1');
      assert.equal(await store.get('eras/1'), undefined);
      assert.deepEqual(await store.list('eras'), []);
    });

    const guarded = name === 'a folder' ? undefined : it;
    guarded?.('are reached with credentials that nobody else can read', async () => {
      const { credentialsFile = '', target, hostKey } = place.options;
      await assert.rejects(
        openStore({ target, ...(hostKey !== undefined && { hostKey }) }),
        reason('INVALID_FIELD'),
      );
      chmodSync(credentialsFile, 0o644);
      await assert.rejects(openStore(place.options), reason('INVALID_FIELD'));
      chmodSync(credentialsFile, 0o600);
      if (hostKey === undefined) return;
      const other = await openStore({ ...place.options, hostKey: 'SHA256:other' });
      await assert.rejects(
        other.list('log'),
        (error) => reason('BACKUP_TARGET')(error) && String(error).includes(hostKey),
      );
      await other.close();
    });

    it('say so when the place is away', async () => {
      if (place.away === undefined) {
        writeFileSync(join(dir, 'file'), '');
        const wrong = await openStore({ target: join(dir, 'file', 'below') });
        await assert.rejects(wrong.put('log/x', Buffer.from('x')), reason('BACKUP_TARGET'));
        return;
      }
      await place.away();
      await assert.rejects(store.put('log/x', Buffer.from('x')), reason('BACKUP_TARGET'));
      await assert.rejects(store.get('log/x'), reason('BACKUP_TARGET'));
      await assert.rejects(store.list('log'), reason('BACKUP_TARGET'));
    });
  });
}
