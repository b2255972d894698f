import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Departures } from './departures.ts';

describe('edges that leave', () => {
  let told: string[];
  let departures: Departures;
  let clock: ManualClock;
  const stream = (name: string, edge: string): (() => void) =>
    departures.onLeaving(edge, ({ reason }) => told.push(`${name} ${reason}`));

  beforeEach(() => {
    told = [];
    clock = new ManualClock();
    departures = new Departures('proxy-0', [], clock);
  });

  it('ask the streams that came through them, once', async () => {
    stream('a', 'edge-0');
    stream('b', 'edge-1');
    departures.set(['edge-0']);
    departures.set(['edge-0']);
    await clock.advance(60_000);
    assert.deepEqual(told, ['a EDGE_LEAVING']);
  });

  it('ask a stream that comes later at once, as long as they leave', () => {
    departures.set(['edge-0']);
    stream('a', 'edge-0');
    departures.set([]);
    stream('b', 'edge-0');
    assert.deepEqual(told, ['a EDGE_LEAVING']);
  });

  it('ask no stream that has ended', async () => {
    stream('a', 'edge-0')();
    const end = stream('b', 'edge-0');
    departures.set(['edge-0']);
    end();
    await clock.advance(60_000);
    assert.deepEqual(told, []);
  });

  it('are not the proxy itself, which asks all that it has and none that comes', async () => {
    stream('a', 'edge-0');
    departures.set(['proxy-0', 'proxy-1']);
    stream('b', 'edge-0');
    await clock.advance(60_000);
    assert.deepEqual(told, ['a ATTACH_REQUIRED']);
  });

  it('ask one stream after the other, all of them within 12 s', async () => {
    for (let n = 0; n < 10; n += 1) stream(`${n}`, 'edge-0');
    departures.set(['edge-0']);
    await clock.advance(300);
    assert.equal(told.length, 3);
    await clock.advance(900);
    assert.equal(told.length, 10);
    for (let n = 0; n < 1000; n += 1) stream(`${n}`, 'edge-1');
    departures.set(['edge-1']);
    await clock.advance(6000);
    assert.ok(told.length > 400 && told.length < 600);
    await clock.advance(6000);
    assert.equal(told.length, 1010);
  });

  it('ask no more when they are to stay', async () => {
    for (let n = 0; n < 10; n += 1) stream(`${n}`, 'edge-0');
    departures.set(['edge-0']);
    await clock.advance(300);
    departures.set([]);
    await clock.advance(60_000);
    assert.equal(told.length, 3);
  });
});
