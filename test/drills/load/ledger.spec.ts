import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { type Orders, openOrders } from '#compose/demo/intranet/orders.ts';
import { judgeHistory } from '../judge-history.ts';
import { machineNow } from './context.ts';
import { Ledger } from './ledger.ts';
import { Recording } from './recording.ts';
import { Trail } from './trail.ts';
import { Normal, Window } from './window.ts';

describe("a load's record of its orders", () => {
  const dir = mkdtempSync(join(tmpdir(), 'sp-ledger-'));
  const file = join(dir, 'orders.sqlite');
  const recording = new Recording(dir, 'run');
  const ledger = new Ledger(file, 'run');
  let orders: Orders;
  before(() => {
    orders = openOrders(file);
  });
  after(() => {
    orders.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const newWindow = (): Window =>
    new Window(new Normal(), machineNow, new Trail(machineNow), recording.begin());
  /** An order that ends as it is told, and is done by the intranet so often. */
  const order = (window: Window, times: number, ends: 'ok' | 'lost' = 'ok'): string => {
    const body = ledger.next('once');
    const operation = window.begin('once', 'phone', {
      ...{ kind: 'request', client: 'phone', session: 's', method: 'POST', path: '/orders' },
      ...{ repeatable: false, executes: true, expects: body },
    });
    ledger.begun(body, operation.recorded?.id ?? '');
    place(body, times);
    if (ends === 'ok') window.ok(operation, { answer: body });
    else window.failed(operation, new Error('no answer'));
    return body;
  };
  const place = (body: string, times: number): void => {
    for (let n = 0; n < times; n++) orders.place({ user: 'ada', key: null, request: null, body });
  };
  const judge = async (window: Window) => {
    ledger.rotate();
    const files = recording.end(window.history, ledger.read(window));
    const { lost, wrong, errors } = await judgeHistory(files, { env: {}, progress: () => {} });
    return { lost, wrong: [...window.wrong, ...wrong], errors };
  };
  const nothing = { lost: [], wrong: [], errors: [] };

  it('is right when each order that was acknowledged was placed once', async () => {
    const window = newWindow();
    order(window, 1);
    order(window, 0, 'lost');
    order(window, 1, 'lost');
    assert.deepEqual(await judge(window), nothing);
  });

  it('shows an order that is lost, and one that was placed twice', async () => {
    const window = newWindow();
    order(window, 0);
    order(window, 2, 'lost');
    const { lost, wrong, errors } = await judge(window);
    assert.deepEqual([lost.length, wrong.length, errors], [1, 1, []]);
    assert.match(lost[0] ?? '', /^acknowledged-lost \(load-\d+-1\)/);
    assert.match(wrong[0] ?? '', /^executed-twice \(load-\d+-2, load-\d+-2\)/);
  });

  it('lets what had no answer take effect in a later drill, once', async () => {
    const window = newWindow();
    const late = order(window, 0, 'lost');
    assert.deepEqual(await judge(window), nothing);
    place(late, 1);
    assert.deepEqual(await judge(newWindow()), nothing);
    place(late, 1);
    assert.match((await judge(newWindow())).wrong.join(), /appeared long after/);
  });

  it('knows what was ordered between two drills, and finds it done twice all the same', async () => {
    const between = newWindow();
    order(between, 1);
    order(between, 2);
    recording.drop(between.history);
    ledger.leave();
    const { lost, wrong, errors } = await judge(newWindow());
    assert.deepEqual([lost, errors], [[], []]);
    assert.match(wrong.join(), /^order run-once-\d+ was placed 2 times$/);
  });

  it('shows an epoch that was given twice, in whatever drill', async () => {
    const attach = (client: string): void => {
      const listen = recording.listener(client);
      const epoch = 'ab'.repeat(16);
      listen({ type: 'attaching' });
      listen({ type: 'attached', proxy: 'proxy-0', epoch, edge: 'https://edge', carrier: 'stream' });
    };
    attach('phone');
    assert.deepEqual(await judge(newWindow()), nothing);
    attach('tablet');
    assert.match((await judge(newWindow())).wrong.join(), /^epoch-given-twice/);
  });
});
