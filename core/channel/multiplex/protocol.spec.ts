import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { StreamMessage } from './messages.ts';
import type { Multiplexer } from './multiplexer.ts';
import { joined, pump } from './wire.fake.ts';

const refused = (reason: string) => (thrown: unknown) =>
  thrown instanceof SallyportError && thrown.reason === reason;
const get = { method: 'GET', authority: 'intranet.example', path: '/', headers: [] };
const ok = { status: 200, headers: [] };
const bytes = (length: number) => new Uint8Array(length).fill(7);

describe('multiplexer: ends the stream at a breach of the protocol', () => {
  const started = async () => {
    const { wire, device, proxy } = joined(() => new Promise(() => {}));
    device.request(get);
    await pump(wire);
    return { device, proxy };
  };
  const toProxy: Record<string, StreamMessage[]> = {
    'an id that does not rise': [{ requestId: 1, kind: 'requestHead', head: get }],
    'an unknown id': [{ requestId: 9, kind: 'end' }],
    'an empty piece': [{ requestId: 1, kind: 'data', data: bytes(0) }],
    'a piece that is too long': [{ requestId: 1, kind: 'data', data: bytes(32 * 1024 + 1) }],
    'more than the window': Array.from({ length: 9 }, () => ({
      ...{ requestId: 1, kind: 'data' as const },
      data: bytes(32 * 1024),
    })),
    'data after the end': [
      { requestId: 1, kind: 'end' },
      { requestId: 1, kind: 'data', data: bytes(1) },
    ],
    'two ends': [
      { requestId: 1, kind: 'end' },
      { requestId: 1, kind: 'end' },
    ],
    'no credit at all': [{ requestId: 1, kind: 'credit', credit: 0 }],
    'boundless credit': [{ requestId: 1, kind: 'credit', credit: 16 * 1024 * 1024 }],
    'a response from the device': [{ requestId: 1, kind: 'responseHead', head: ok }],
  };
  const feed = (side: Multiplexer, messages: readonly StreamMessage[]) => {
    for (const message of messages) side.receive(message);
  };
  for (const [name, messages] of Object.entries(toProxy)) {
    it(`to the proxy: ${name}`, async () => {
      const { proxy } = await started();
      assert.throws(() => feed(proxy, messages), refused('MALFORMED'));
      assert.equal(proxy.closed?.reason, 'MALFORMED');
    });
  }
  const toDevice: Record<string, StreamMessage[]> = {
    'a request': [{ requestId: 2, kind: 'requestHead', head: get }],
    'a body before the response': [{ requestId: 1, kind: 'data', data: bytes(1) }],
    'an end before the response': [{ requestId: 1, kind: 'end' }],
    'two responses': [
      { requestId: 1, kind: 'responseHead', head: ok },
      { requestId: 1, kind: 'responseHead', head: ok },
    ],
  };
  for (const [name, messages] of Object.entries(toDevice)) {
    it(`to the device: ${name}`, async () => {
      const { device } = await started();
      assert.throws(() => feed(device, messages), refused('MALFORMED'));
    });
  }

  it('late messages for a closed request are ignored, for a while', async () => {
    const { proxy } = await started();
    const [error] = [new SallyportError('CANCELLED')];
    const reset = {
      reason: error.reason,
      message: '',
      hint: '',
      retryAfterMs: 0,
      requestId: '',
      maybeExecuted: false,
    };
    proxy.receive({ requestId: 1, kind: 'reset', reset });
    proxy.receive({ requestId: 1, kind: 'data', data: bytes(1) });
    for (let id = 2; id < 2000; id++) {
      proxy.receive({ requestId: id, kind: 'requestHead', head: get });
      proxy.receive({ requestId: id, kind: 'reset', reset });
    }
    assert.throws(() => proxy.receive({ requestId: 1, kind: 'end' }), refused('MALFORMED'));
  });
});
