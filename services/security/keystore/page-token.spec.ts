import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';

describe('page token', () => {
  const end = { createdMs: 1_800_000_000_000, routeKey: `${'a'.repeat(21)}A` };

  it('comes back as it was given', () => assert.deepEqual(decodePageToken(encodePageToken(end)), end));

  it('is refused when it is anything else', () => {
    const good = encodePageToken(end);
    for (const token of ['', '.', 'x', `${good}.x`, `-${good}`, good.slice(0, -1), `1e3.${end.routeKey}`]) {
      assert.throws(
        () => decodePageToken(token),
        (e) => SallyportError.from(e).reason === 'INVALID_FIELD',
      );
    }
  });
});
