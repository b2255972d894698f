import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { openPart, packFolder, unpack } from './archive.ts';
import type { Manifest } from './documents.ts';

describe('the archive of a backup', function () {
  this.timeout(60_000);
  const key = Buffer.alloc(32, 3);
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sallyport-archive-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** Packs some incompressible bytes; gives the pieces and a manifest of them. */
  const packed = async (bytes: number) => {
    mkdirSync(join(dir, 'from'), { recursive: true });
    const content = createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(bytes));
    writeFileSync(join(dir, 'from', 'file'), content);
    const sealed: Buffer[] = [];
    const parts: Manifest['parts'] = [];
    for await (const piece of packFolder(join(dir, 'from'), { id: 'one', key })) {
      sealed.push(piece.sealed);
      parts.push(piece.part);
    }
    return { content, sealed, manifest: { id: 'one', parts } as unknown as Manifest };
  };

  async function* opened(manifest: Manifest, sealed: readonly (Buffer | undefined)[]) {
    for (const index of manifest.parts.keys()) yield openPart(manifest, key, index, sealed[index]);
  }

  it('gives back what was packed, small or in several pieces, however often', async () => {
    for (const bytes of [0, 1, 5000, 9_500_000]) {
      const { content, sealed, manifest } = await packed(bytes);
      assert.equal(sealed.length, bytes > 4 * 2 ** 20 ? 3 : 1);
      for (let n = 0; n < 4; n += 1) {
        mkdirSync(join(dir, 'to'));
        await unpack(opened(manifest, sealed), join(dir, 'to'), 'one');
        assert.ok(readFileSync(join(dir, 'to', 'file')).equals(content));
        rmSync(join(dir, 'to'), { recursive: true });
      }
    }
  });

  it('is refused in another order, without its end, and of another backup', async () => {
    const { sealed, manifest } = await packed(9_500_000);
    const [a, b, c] = manifest.parts;
    assert.ok(a && b && c);
    const wrong = [
      { ...manifest, parts: [b, a, c] },
      { ...manifest, parts: [a, b] },
      { ...manifest, id: 'other' },
    ];
    for (const bad of wrong) {
      const bytes = bad.parts.map((part) => sealed[manifest.parts.indexOf(part)]);
      await assert.rejects(
        unpack(opened(bad, bytes), dir, 'one'),
        (error) => SallyportError.from(error).reason === 'BACKUP_DAMAGED',
      );
    }
  });
});
