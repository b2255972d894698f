import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'mocha';
import { Recording } from './recording.ts';
import { settle } from './settle.ts';
import { Trail } from './trail.ts';
import { Normal, type Operation, Window } from './window.ts';

describe('a load that becomes calm', () => {
  const dir = mkdtempSync(join(tmpdir(), 'sp-settle-'));
  const recording = new Recording(dir, 'run');
  after(() => rmSync(dir, { recursive: true, force: true }));

  /** A load in which the request that begins at the moment `at` takes `takes(at)`; one begins each 100 ms. */
  const load = (takes: (at: number) => number) => {
    let time = 0;
    const now = () => time;
    const normal = new Normal();
    const window = new Window(normal, now, new Trail(now), recording.begin());
    const open: { readonly operation: Operation; readonly until: number }[] = [];
    const sleep = async (ms: number): Promise<void> => {
      open.push({ operation: window.begin('get', 'a phone'), until: time + takes(time) });
      const end = time + ms;
      for (const each of open.toSorted((a, b) => a.until - b.until)) {
        if (each.until > end) continue;
        time = Math.max(time, each.until);
        window.ok(each.operation);
        open.splice(open.indexOf(each), 1);
      }
      time = end;
    };
    const context = { now, window: () => window, signal: new AbortController().signal };
    return { window, normal, run: () => settle(context, sleep) };
  };

  it('takes for normal what comes when the slow ones are over, and tells how slow they were', async () => {
    const { window, normal, run } = load((at) => (at < 1000 ? 4000 - at : 20));
    const { calm, seconds, longest } = await run();
    // They end together at 4 s; three seconds later none of the last three has been slow.
    assert.deepEqual([calm, Math.round(seconds)], [true, 7]);
    assert.equal(longest.ms, 4000);
    assert.equal(normal.of('get'), 20);
    window.broken();
    assert.equal(window.report('get').calm.ms, 0);
  });

  it('is not calm while a request has no answer, however old it is', async () => {
    const { window, run } = load((at) => (at === 0 ? 1e9 : 20));
    const { calm, seconds } = await run();
    assert.deepEqual([calm, seconds], [false, 30]);
    assert.equal(window.open, 1);
  });

  it('gives up on a load that is too much, and tells what it was like', async () => {
    const { window, run } = load(() => 900);
    const { calm, seconds, longest } = await run();
    assert.deepEqual([calm, seconds, longest.ms], [false, 30, 900]);
    window.broken();
    assert.equal(window.report('get').normalMs, 900);
  });
});
