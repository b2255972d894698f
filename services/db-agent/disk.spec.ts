import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { describe, it } from 'mocha';
import { Disk } from './disk.ts';

const mib = 2 ** 20;

describe('the disk of a database node', () => {
  it('is full below 16 MiB, until there are 64 again, and says when that changes', async () => {
    let left = 100 * mib;
    const disk = new Disk('/data', async () => left);
    const lookWith = async (mibLeft: number): Promise<[boolean, boolean]> => {
      left = mibLeft * mib;
      return [await disk.look(), disk.full];
    };
    assert.deepEqual(await lookWith(17), [false, false]);
    assert.deepEqual(await lookWith(15), [true, true]);
    assert.deepEqual(await lookWith(63), [false, true]);
    assert.deepEqual(await lookWith(64), [true, false]);
  });

  it('is not full where there is none yet, and is looked at where there is one', async () => {
    const none = new Disk('/no/such/folder');
    assert.deepEqual([await none.look(), none.full], [false, false]);
    assert.equal(typeof (await new Disk(tmpdir()).look()), 'boolean');
  });
});
