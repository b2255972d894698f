import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ensureOwnFolder } from './own-folder.ts';

const refused = (error: unknown): boolean =>
  error instanceof SallyportError && error.reason === 'START_FAILED' && error.hint.includes('TMPDIR');

describe('ensureOwnFolder', () => {
  const uid = process.getuid?.() ?? userInfo().uid;
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'own-folder-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  it('makes one for this user alone, and closes one that stands open', () => {
    const dir = join(root, 'a', 'b');
    ensureOwnFolder(dir, uid);
    assert.equal(statSync(dir).mode & 0o777, 0o700);
    chmodSync(dir, 0o777);
    ensureOwnFolder(dir, uid);
    assert.equal(statSync(dir).mode & 0o777, 0o700);
  });

  it("refuses another user's, and a link to a folder", () => {
    const dir = join(root, 'a');
    mkdirSync(dir);
    assert.throws(() => ensureOwnFolder(dir, uid + 1), refused);
    symlinkSync(dir, join(root, 'link'));
    assert.throws(() => ensureOwnFolder(join(root, 'link'), uid), refused);
  });
});
