import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { eventResumption } from './event-resumption.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (given: Uint8Array | undefined) => new TextDecoder().decode(given);

describe('eventResumption', () => {
  it('passes every byte on, and whole events only, however they arrive', () => {
    const line = fc.constantFrom('\n', '\r\n', '\r');
    const event = fc.tuple(fc.integer({ min: 1, max: 99 }), line);
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 6 }),
        fc.array(fc.nat(40), { maxLength: 10 }),
        (events, cuts) => {
          const stream = events.map(([id, end]) => `id: ${id}${end}data: x${end}${end}`).join('');
          const resumption = eventResumption();
          let passed = '';
          let from = 0;
          for (const length of [...cuts, stream.length]) {
            passed += text(resumption.take(bytes(stream.slice(from, from + length))));
            from += length;
          }
          assert.equal(passed + text(resumption.end()), stream);
        },
      ),
    );
  });

  it('asks by the id of the last event that was passed on', () => {
    const resumption = eventResumption();
    assert.deepEqual(resumption.ask(), [], 'nothing was seen yet: from the beginning');
    resumption.take(bytes('id: 7\ndata: a\n\nid: 8\ndata: b\n'));
    assert.deepEqual(resumption.ask(), [{ name: 'last-event-id', value: '7' }]);
    assert.equal(text(resumption.take(bytes('id:9\r\ndata\r\n\r\n'))), 'id:9\r\ndata\r\n\r\n');
    assert.equal(resumption.position, '9');
  });

  it('cannot go on in a stream without ids', () => {
    const resumption = eventResumption();
    resumption.take(bytes('data: a\n\n'));
    assert.equal(resumption.ask(), undefined);
  });

  it('does not wait for ever for the end of an event', () => {
    const resumption = eventResumption();
    assert.throws(() => resumption.take(new Uint8Array(1_048_577)), /longer than/);
  });
});
