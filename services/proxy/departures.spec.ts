import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'mocha';
import { Departures } from './departures.ts';

describe('edges that leave', () => {
  let told: string[];
  let departures: Departures;
  const stream = (name: string, edge: string): (() => void) =>
    departures.onLeaving(edge, ({ reason }) => told.push(`${name} ${reason}`));

  beforeEach(() => {
    told = [];
    departures = new Departures('proxy-0', []);
  });

  it('ask the streams that came through them, once', () => {
    stream('a', 'edge-0');
    stream('b', 'edge-1');
    departures.set(['edge-0']);
    departures.set(['edge-0']);
    assert.deepEqual(told, ['a EDGE_LEAVING']);
  });

  it('ask a stream that comes later at once, as long as they leave', () => {
    departures.set(['edge-0']);
    stream('a', 'edge-0');
    departures.set([]);
    stream('b', 'edge-0');
    assert.deepEqual(told, ['a EDGE_LEAVING']);
  });

  it('ask no stream that has ended', () => {
    stream('a', 'edge-0')();
    departures.set(['edge-0']);
    assert.deepEqual(told, []);
  });

  it('are not the proxy itself, which asks all that it has and none that comes', () => {
    stream('a', 'edge-0');
    departures.set(['proxy-0', 'proxy-1']);
    stream('b', 'edge-0');
    assert.deepEqual(told, ['a ATTACH_REQUIRED']);
  });
});
