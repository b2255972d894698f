import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { folderFiles } from './folder-files.ts';
import { updateFilesContract } from './update-files.contract.ts';

describe('update files in a folder', () => {
  let work: string;
  const dir = (): string => join(work, 'made', 'when-needed');

  beforeEach(async () => {
    work = await mkdtemp(join(tmpdir(), 'sp-files-'));
  });
  afterEach(() => rm(work, { recursive: true }));

  for (const [name, run] of Object.entries(updateFilesContract)) it(name, () => run(folderFiles(dir())));

  it("are the owner's alone, and are handed over as paths", async () => {
    const files = folderFiles(dir());
    const out = await files.append('a');
    await out.write(new Uint8Array(3));
    await out.close();
    const path = await files.handOver('a');
    assert.equal(path, join(dir(), 'a'));
    for (const [of, mode] of [
      [path, 0o600],
      [dir(), 0o700],
    ] as const) {
      assert.equal((await stat(of)).mode & 0o777, mode);
    }
  });
});
