import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { errorOf, resetOf, type StreamMessage } from './messages.ts';
import { decodeStreamMessage, encodeStreamMessage } from './stream-codec.ts';

const reset = {
  ...{ reason: 'POLICY_DENIED', message: 'm', hint: 'h' },
  ...{ retryAfterMs: 7, requestId: 'r', maybeExecuted: true },
};
const messages: StreamMessage[] = [
  { requestId: 1, kind: 'requestHead', head: { method: 'PUT', authority: 'a', path: '/x', headers: [] } },
  { requestId: 1, kind: 'responseHead', head: { status: 204, headers: [] } },
  { requestId: 4_294_967_295, kind: 'data', data: Uint8Array.of(0, 255) },
  { requestId: 2, kind: 'end' },
  { requestId: 3, kind: 'reset', reset },
  { requestId: 4, kind: 'credit', credit: 65_536 },
];

describe('stream messages', () => {
  it('come back as they were', () => {
    for (const message of messages) {
      assert.deepEqual(decodeStreamMessage(encodeStreamMessage(message)), message);
    }
  });

  it('carry header fields', () => {
    const headers = [{ name: 'accept', value: '*/*' }];
    const head = { status: 200, headers };
    const decoded = decodeStreamMessage(encodeStreamMessage({ requestId: 1, kind: 'responseHead', head }));
    assert.ok(decoded.kind === 'responseHead');
    assert.deepEqual(
      decoded.head.headers.map(({ name, value }) => ({ name, value })),
      headers,
    );
  });

  it('refuses what cannot be read', () => {
    const malformed = (thrown: unknown) => thrown instanceof SallyportError && thrown.reason === 'MALFORMED';
    for (const bytes of [
      new Uint8Array(),
      Uint8Array.of(8, 1),
      Uint8Array.of(255, 255),
      Uint8Array.of(34, 9),
    ]) {
      assert.throws(() => decodeStreamMessage(bytes), malformed);
    }
  });

  it('a reset is an error and back, and an unknown reason is named', () => {
    assert.deepEqual(resetOf(errorOf(reset)), reset);
    const strange = errorOf({ ...reset, reason: 'FROM_THE_FUTURE' });
    assert.equal(strange.reason, 'INTERNAL');
    assert.match(strange.message, /FROM_THE_FUTURE: m/);
  });
});
