import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '../core/errors/error.ts';
import { decodeSession, encodeSession } from './saved-session.ts';

const saved = {
  sessionId: 'AAAAAAAAAAAAAAAAAAAAAA.sec-0.BBBBBBBBBBBBBBBBBBBBBB.CCCC',
  sessionKey: new Uint8Array(32).fill(7),
  expiresAtMs: 1_800_000_000_000,
  proxyUrls: ['https://edge.example'],
  clockOffsetMs: -250,
};

describe('a saved session', () => {
  it('comes back as it was', () => {
    const back = decodeSession(encodeSession(saved));
    assert.deepEqual(
      { ...back, sessionKey: [...back.sessionKey] },
      { ...saved, sessionKey: Array(32).fill(7) },
    );
  });

  it('is refused when it is damaged, without being quoted', () => {
    const text = encodeSession(saved);
    for (const broken of [text.slice(1), text.replace('"format":1', '"format":2'), '[]', 'null']) {
      assert.throws(
        () => decodeSession(broken),
        (error) =>
          error instanceof SallyportError && error.reason === 'MALFORMED' && !error.message.includes('sec-0'),
      );
    }
  });
});
