import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { fromConnectError, fromWire } from '#core/errors/from-wire.ts';
import { type ErrorReason, registry } from '#core/errors/registry.ts';
import { Status } from '#core/errors/status.ts';
import { StatusSchema } from '#gen/google/rpc/status_pb.js';
import { defaultRetryMs, statusBytes, toWire } from './to-wire.ts';

const reasons = Object.keys(registry) as ErrorReason[];

/** Through google.rpc.Status and back. */
function travelled(error: SallyportError): SallyportError {
  const { code, message, details } = fromBinary(StatusSchema, statusBytes(toWire(error)));
  return fromWire({
    code,
    message,
    details: details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
      value,
    })),
  });
}

describe('errors on the wire', () => {
  it('every reason arrives as it left', () => {
    for (const reason of reasons) {
      const left = new SallyportError(reason, { retryAfterMs: 1999, metadata: { key: 'värde' } });
      const { message, hint, status, retryAfterMs, metadata } = left;
      const came = travelled(left);
      assert.deepEqual(
        [came.reason, came.message, came.hint, came.status, came.retryAfterMs, came.metadata],
        [reason, message, hint, status, retryAfterMs, metadata],
      );
    }
  });

  it('says of whatever is UNAVAILABLE when to come back, and of nothing else by itself', () => {
    for (const reason of reasons) {
      const { retryAfterMs, status } = travelled(new SallyportError(reason));
      assert.equal(retryAfterMs, status === 'UNAVAILABLE' ? defaultRetryMs : undefined, reason);
    }
  });

  it('keeps causes and the words of INTERNAL at home', () => {
    const cause = new Error('hunter2');
    for (const reason of reasons) {
      const bytes = Buffer.from(statusBytes(toWire(new SallyportError(reason, { cause })))).toString(
        'latin1',
      );
      assert.doesNotMatch(bytes, /hunter2/);
    }
    assert.equal(
      toWire(new SallyportError('INTERNAL', { message: 'hunter2' })).message,
      registry.INTERNAL.message,
    );
  });

  it('fits into trailers, whatever it says', () => {
    const message = '☂'.repeat(100_000);
    const metadata = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`k${n}`, message]));
    const { byteLength } = statusBytes(
      toWire(new SallyportError('NOT_FOUND', { message, metadata, hint: message })),
    );
    assert.ok(byteLength < 60_000, `${byteLength}`);
    assert.doesNotThrow(() =>
      encodeURI(toWire(new SallyportError('NOT_FOUND', { message: '\ud800' })).message),
    );
  });

  it('finds a reason for codes that came without one', () => {
    const of = (code: number, message = '') => fromWire({ code, message, details: [] }).reason;
    assert.equal(of(Status.UNAVAILABLE), 'UNAVAILABLE');
    assert.equal(of(Status.RESOURCE_EXHAUSTED, 'Received message larger than max'), 'TOO_LARGE');
    assert.equal(of(Status.RESOURCE_EXHAUSTED), 'THROTTLED');
    assert.equal(
      of(Status.INTERNAL, 'Received RST_STREAM with code 2 (Internal server error)'),
      'UNAVAILABLE',
    );
    assert.equal(of(Status.DATA_LOSS), 'INTERNAL');
    assert.equal(of(77), 'INTERNAL');
    for (const [name, code] of Object.entries(Status)) {
      const reason = of(code);
      if (reason !== 'INTERNAL') assert.equal(registry[reason].status, name);
    }
    const damaged = [{ type: 'google.rpc.ErrorInfo', value: Uint8Array.of(0xff) }];
    assert.equal(fromWire({ code: Status.NOT_FOUND, message: 'x', details: damaged }).reason, 'NOT_FOUND');
  });

  it('takes what clients in a browser throw, and in Node whose connection is reset', () => {
    const abort = new DOMException('gone', 'AbortError');
    assert.equal(fromConnectError(abort).reason, 'CANCELLED');
    assert.equal(fromConnectError('text').reason, 'INTERNAL');
    const shape = { code: 2, rawMessage: 'Failed to fetch', details: [] };
    const offline = Object.assign(new Error('x', { cause: new TypeError('Failed to fetch') }), shape);
    assert.equal(fromConnectError(offline).reason, 'UNAVAILABLE');
    const reset = Object.assign(new Error('connect ECONNRESET'), { code: 'ECONNRESET' });
    const aborted = { code: Status.ABORTED, rawMessage: 'connect ECONNRESET', details: [] };
    const cut = Object.assign(new Error('x', { cause: new Error('y', { cause: reset }) }), aborted);
    assert.equal(fromConnectError(cut).reason, 'UNAVAILABLE');
    assert.equal(fromConnectError(Object.assign(new Error('x'), aborted)).reason, 'INTERNAL');
    const own = new SallyportError('STALE');
    assert.equal(fromConnectError(own), own);
  });
});
