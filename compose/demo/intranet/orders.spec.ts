import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { type Orders, openOrders, readOrders } from './orders.ts';

describe('orders of the demo intranet', () => {
  let dir: string;
  let file: string;
  const open: Orders[] = [];
  const opened = (): Orders => {
    const orders = openOrders(file);
    open.push(orders);
    return orders;
  };
  const anna = { user: 'anna', key: null, request: 'r-1', body: 'a desk' };

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-orders-'));
    file = join(dir, 'orders.db');
  });
  afterEach(() => {
    for (const orders of open.splice(0)) orders.close();
    rmSync(dir, { recursive: true });
  });

  it('are placed once for each key, at whichever of two pods', () => {
    const [one, other] = [opened(), opened()];
    const first = one.place({ ...anna, key: 'k' });
    const second = other.place({ ...anna, key: 'k', body: 'another desk' });
    assert.equal(first?.again, false);
    assert.deepEqual(second, { order: first?.order, again: true });
    assert.equal([...readOrders(file)].length, 1);
  });

  it('keep the keys of two people apart', () => {
    const orders = opened();
    orders.place({ ...anna, key: 'k' });
    assert.equal(orders.place({ ...anna, user: 'bert', key: 'k' })?.again, false);
  });

  it('are placed each time without a key', () => {
    const orders = opened();
    orders.place(anna);
    assert.equal(orders.place(anna)?.again, false);
    assert.deepEqual(
      [...readOrders(file)].map(({ number, body, request }) => [number, body, request]),
      [
        [1, 'a desk', 'r-1'],
        [2, 'a desk', 'r-1'],
      ],
    );
  });

  it('tell what became of a request, to its user only', () => {
    const orders = opened();
    orders.place(anna);
    assert.equal(orders.ofRequest('anna', 'r-1')?.body, 'a desk');
    assert.equal(orders.ofRequest('bert', 'r-1'), undefined);
    assert.equal(orders.ofRequest('anna', 'r-2'), undefined);
  });
});
