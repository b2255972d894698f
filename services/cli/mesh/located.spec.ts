import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { addUp, locatedFigure } from './located.ts';

const line = (how: string, at: string, count: number): string =>
  `sallyport_decision_located_total{how="${how}",at="${at}"} ${count}`;

describe('where decisions have found their sessions', () => {
  it('is added up over pods, and told as a share', () => {
    const security = ['# TYPE sallyport_decision_located_total counter', line('unary', 'held', 90)].join(
      '\n',
    );
    const other = [
      line('unary', 'moved', 5),
      line('streamed', 'held', 900),
      line('attach', 'loaded', 7),
    ].join('\n');
    const located = addUp([security, other, line('leased', 'held', 4005), '']);
    assert.equal(located['unary held'], 90);
    assert.deepEqual(locatedFigure(located)?.value, 99.9);
  });

  it('is not told before anything was decided', () => {
    assert.equal(
      locatedFigure(addUp(['', line('unary', 'held', 0), line('attach', 'loaded', 2)])),
      undefined,
    );
  });
});
