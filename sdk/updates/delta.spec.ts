import assert from 'node:assert/strict';
import { openAsBlob } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '../../core/errors/error.ts';
import { sampleReleases } from '../test/sample-releases.ts';
import { applyDelta } from './delta.ts';
import { makeDelta } from './make-delta.ts';
import { zstd } from './node.ts';

describe('a binary delta', function () {
  this.timeout(120_000);
  let dir: string;
  const [first, second] = sampleReleases(20);
  const at = (name: string): string => join(dir, name);
  const unfit = (message: RegExp) => (error: unknown) => {
    const { reason, message: text } = SallyportError.from(error);
    assert.deepEqual([reason, message.test(text)], ['UPDATE_UNTRUSTED', true], text);
    return true;
  };

  /** What the delta makes of the old file. */
  const made = async (old: string, delta: string, newLength: number): Promise<Buffer> => {
    const parts: Uint8Array[] = [];
    await applyDelta({
      old: await openAsBlob(at(old)),
      delta: await openAsBlob(at(delta)),
      out: { write: async (data) => void parts.push(data) },
      newLength,
      decompress: zstd,
    });
    return Buffer.concat(parts);
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'sp-delta-'));
    await writeFile(at('1'), first);
    await writeFile(at('2'), second);
  });
  after(() => rm(dir, { recursive: true }));

  it('leads from one sample release to the next, and is at least 75 % smaller', async () => {
    const length = await makeDelta(at('1'), at('2'), at('delta'));
    assert.equal((await readFile(at('delta'))).length, length);
    assert.ok(length <= second.length / 4, `${length} of ${second.length}`);
    assert.ok((await made('1', 'delta', second.length)).equals(second));
  });

  it('gives no more than was signed', async () => {
    await assert.rejects(made('1', 'delta', second.length - 1), unfit(/more than was signed/));
  });

  it('is refused when it is none, was cut, or belongs to another file', async () => {
    const delta = await readFile(at('delta'));
    await writeFile(at('bad'), 'no delta at all');
    await assert.rejects(made('1', 'bad', second.length), unfit(/begin as one/));
    await writeFile(at('bad'), delta.subarray(0, -10));
    await assert.rejects(made('1', 'bad', second.length), unfit(/ends early/));
    await writeFile(at('other'), first.subarray(0, 1000));
    await assert.rejects(made('other', 'delta', second.length), unfit(/ends early/));
    const huge = Buffer.from(delta);
    huge.writeUInt32BE(2 ** 31, 16);
    await writeFile(at('bad'), huge);
    await assert.rejects(made('1', 'bad', second.length), unfit(/too large/));
  });

  it('leads from and to small files', async () => {
    await writeFile(at('a'), 'abc');
    await writeFile(at('b'), 'abcd'.repeat(10));
    await makeDelta(at('a'), at('b'), at('small'));
    assert.equal((await made('a', 'small', 40)).toString(), 'abcd'.repeat(10));
  });
});
