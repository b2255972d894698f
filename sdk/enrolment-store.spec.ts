import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import type { Enrolment } from './enrolment.ts';
import { type EnrolmentStore, memoryStore } from './enrolment-store.ts';
import { fileStore } from './file-store.ts';
import { reasonIs } from './test/opened.ts';

const enrolment: Enrolment = {
  routeKey: 'AAAAAAAAAAAAAAAAAAAAAA',
  deviceId: 'BBBBBBBBBBBBBBBBBBBBBA',
  user: 'anna',
  appId: 'app',
  sharedKey: new Uint8Array(32).fill(7),
  sharedKeyVersion: 1,
  identityDigest: new Uint8Array(32).fill(9),
  strongestSuite: 1,
  edges: ['https://edge-0', 'https://edge-1'],
};

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-sdk-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** What every store does. */
async function contract(store: EnrolmentStore): Promise<void> {
  assert.equal(await store.load(), undefined);
  await store.remove();
  await store.save(enrolment);
  assert.deepEqual(await store.load(), enrolment);
  await store.save({ ...enrolment, sharedKeyVersion: 2 });
  assert.equal((await store.load())?.sharedKeyVersion, 2);
  await store.remove();
  assert.equal(await store.load(), undefined);
}

describe('EnrolmentStore', () => {
  it('in memory', () => contract(memoryStore()));

  it('in a file', () => inFolder((folder) => contract(fileStore(join(folder, 'enrolment.json')))));

  it('in a file that only its owner reads, with nothing beside it', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'enrolment.json');
      await fileStore(path).save(enrolment);
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      assert.deepEqual(await readdir(folder), ['enrolment.json']);
    }));

  it('refuses a damaged file without quoting it', () =>
    inFolder(async (folder) => {
      const path = join(folder, 'enrolment.json');
      for (const text of ['', '{"sharedKey":"c2VjcmV0"', '{}', '[]', 'null', '{"format":1,"edges":["x"]}']) {
        await writeFile(path, text);
        await assert.rejects(fileStore(path).load(), (error: unknown) => {
          assert.ok(reasonIs('MALFORMED')(error));
          assert.ok(!String(error).includes('c2VjcmV0'));
          return true;
        });
      }
    }));
});
