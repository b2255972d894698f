import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { silentLogger } from '#kernel/log/logger.ts';
import { PolicyStore, type StoredPolicy } from './policy-store.ts';

const good = (name: string) => ({
  resources: [
    {
      name,
      backend: name,
      hosts: [`${name}.example`],
      pathPrefix: '/',
      rules: [{ name: 'all', groups: ['staff'] }],
    },
  ],
});

describe('the policy of a pod', () => {
  const begin = () => {
    const rows: StoredPolicy[] = [];
    let reads = 0;
    const store = new PolicyStore(async (above) => {
      reads += 1;
      return rows.filter((row) => row.version > above).sort((a, b) => b.version - a.version);
    }, silentLogger);
    return { rows, store, reads: () => reads };
  };

  it('allows nothing before there is one', () => {
    const { policy } = begin().store.current;
    assert.deepEqual([policy.version, policy.resources.length], [0, 0]);
  });

  it('is the newest that is valid; a bad one is looked at once and decides nothing', async () => {
    const { rows, store, reads } = begin();
    const told: number[] = [];
    store.subscribe(({ policy }) => told.push(policy.version));
    rows.push({ version: 1, document: good('one') });
    await store.refresh(1);
    rows.push({ version: 2, document: { resources: 'nonsense' } });
    await store.refresh(2);
    await store.refresh(2);
    assert.equal(store.current.policy.version, 1);
    assert.equal(reads(), 2);
    rows.push({ version: 3, document: good('three') });
    await store.refresh(3);
    assert.deepEqual(told, [1, 3]);
    assert.deepEqual(JSON.parse(store.current.documentJson), good('three'));
  });

  it('falls back to an older one when it starts with a bad one', async () => {
    const { rows, store } = begin();
    rows.push({ version: 1, document: good('one') }, { version: 2, document: 7 });
    await store.refresh(2);
    assert.equal(store.current.policy.version, 1);
  });
});
