import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { type Documents, documents, type Manifest, names } from './documents.ts';
import { folderStore } from './folder-store.ts';
import { logAfter } from './log-segment.ts';
import { backupKey } from './seal.ts';
import type { BackupStore } from './store.ts';

const junk = Buffer.from('junk');
const [before, own, later] = ['01', '02', '03'].map((hour) => `20261127T${hour}0000Z-db-1-3f1a`) as [
  string,
  string,
  string,
];
const snapshot = { log: { stream: own, seq: 3 }, takenAtMs: 1000 } as Manifest;

describe('what lies beside a snapshot', () => {
  let dir: string;
  let store: BackupStore;
  let kept: Documents;
  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sallyport-documents-'));
    store = folderStore(dir);
    kept = documents(store, backupKey(Buffer.alloc(32, 1)));
    const mark = { pod: 'db-1', first: 1, seq: 5, gtid: '', worstLossMs: 0 };
    await kept.putMark({ ...mark, stream: before, readAtMs: 500 });
    await kept.putMark({ ...mark, stream: own, readAtMs: 1500 });
    await kept.putMark({ ...mark, stream: later, readAtMs: 2500 });
    for (const stream of [before, own, later]) await store.put(names.segment(stream, 3), junk);
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const follows = async () => logAfter(snapshot, await kept.log());
  const damaged = (name: string) => (error: unknown) => {
    const { reason, message, hint } = SallyportError.from(error);
    return reason === 'BACKUP_DAMAGED' && message.startsWith(name) && /--no-log/.test(hint ?? '');
  };

  it('is passed over and told when it is damaged and the snapshot does not need it', async () => {
    const whole = await follows();
    assert.deepEqual(
      whole.stretches.map(({ stream, from, to }) => [stream, from, to]),
      [
        [own, 3, 5],
        [later, 1, 5],
      ],
    );
    assert.deepEqual(whole.passedOver, []);
    const bad = ['log/mark', 'log/zzz/mark', names.mark(before)];
    for (const name of bad) await store.put(name, junk);
    const found = await follows();
    assert.deepEqual(found.stretches, whole.stretches);
    assert.deepEqual(found.passedOver.toSorted(), bad.toSorted());
  });

  it('is missed when the snapshot needs it, and the way without it is told', async () => {
    await store.put(names.mark(later), junk);
    await assert.rejects(follows(), damaged(names.mark(later)));
    await store.remove(names.mark(later));
    await store.put(names.mark(own), junk);
    await assert.rejects(follows(), damaged(names.mark(own)));
    await store.remove(names.mark(own));
    await assert.rejects(follows(), damaged(names.mark(own)));
  });

  it('tells of no era that nobody began, and gives none again whose document is damaged', async () => {
    assert.equal((await kept.lastEra()).era, 0);
    for (const era of [2, 3]) await kept.putEra({ era, atMs: 1, snapshot: 'a' });
    await store.put('eras/99999999', junk);
    assert.deepEqual(await kept.lastEra(), { era: 3, damaged: ['eras/99999999'] });
    await store.put(names.era(3), junk);
    await store.put('eras/x', junk);
    const { era, damaged: told } = await kept.lastEra();
    assert.equal(era, 3);
    assert.deepEqual(told, ['eras/x', 'eras/99999999', names.era(3)]);
  });
});
