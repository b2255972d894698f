import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { checkDeviceTime, maxSkewMs } from './clock-skew.ts';

describe('checkDeviceTime', () => {
  const now = 1_800_000_000_000;

  it('bears five minutes either way', () => {
    for (const off of [0, maxSkewMs, -maxSkewMs]) checkDeviceTime(BigInt(now + off), now);
  });

  it('refuses more, and tells the time', () => {
    for (const time of [now + maxSkewMs + 1, now - maxSkewMs - 1, 0, -1, 2 ** 63]) {
      assert.throws(
        () => checkDeviceTime(BigInt(time), now),
        (e) => {
          const { reason, metadata } = SallyportError.from(e);
          assert.equal(reason, 'CLOCK_SKEW');
          return metadata.server_time_ms === String(now);
        },
      );
    }
  });
});
