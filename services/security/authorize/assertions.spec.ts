import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { AssertionClaims } from '#kernel/crypto/assertion.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { SessionRecord } from '../session/record.ts';
import { Assertions } from './assertions.ts';

describe('assertions', () => {
  const begin = (max?: number) => {
    const clock = new ManualClock();
    const signed: AssertionClaims[] = [];
    const signer = {
      kid: 'k',
      sign: async (claims: AssertionClaims) => {
        signed.push(claims);
        return `jwt-${signed.length}`;
      },
    };
    const assertions = new Assertions({ signer: () => signer, now: () => clock.now(), ...(max && { max }) });
    const record = (n: number, lifeMs = 3_600_000): SessionRecord => ({
      id: `${'A'.repeat(22)}.sec-0.${String(n).padStart(22, 'B')}.${'C'.repeat(22)}`,
      routeKey: 'A'.repeat(22),
      opener: 'sec-0',
      kind: 'device',
      user: 'ada',
      groups: ['staff'],
      deviceId: 'phone',
      app: undefined,
      sessionKey: new Uint8Array(32),
      openedAtMs: clock.now(),
      expiresAtMs: clock.now() + lifeMs,
      lastSeenMs: clock.now(),
      feedPosition: 0,
      era: 1,
      version: 1,
      openHash: undefined,
      openReply: undefined,
      writtenBehind: false,
      amr: ['pwd'],
    });
    return { clock, assertions, signed, record };
  };

  it('are signed once per session and audience, and again before they expire', async () => {
    const { clock, assertions, signed, record } = begin();
    const one = record(1);
    assert.equal((await assertions.of(one, 'intranet')).jwt, 'jwt-1');
    await clock.advance(39_000);
    assert.equal((await assertions.of(one, 'intranet')).jwt, 'jwt-1');
    assert.equal((await assertions.of(one, 'payroll')).jwt, 'jwt-2');
    await clock.advance(2000);
    assert.equal((await assertions.of(one, 'intranet')).jwt, 'jwt-3');
    const [first] = signed;
    assert.ok(first);
    assert.deepEqual(
      [first.sub, first.aud, first.device, first.exp - first.iat],
      ['ada', 'intranet', 'phone', 60],
    );
    assert.equal(first.sid, one.id.slice(0, -23));
    assert.equal(new Set(signed.map((each) => each.jti)).size, 3);
  });

  it('last longer than the lease of whoever shows them', async () => {
    const { clock, assertions, record } = begin();
    const one = record(1);
    for (const [leaseMs, lifeMs] of [
      [10_000, 60_000],
      [30_000, 60_000],
      [120_000, 150_000],
    ] as const) {
      const { expiresAtMs } = await assertions.of(one, `for ${leaseMs}`, leaseMs);
      assert.equal(expiresAtMs - clock.now(), lifeMs);
    }
    await assertions.of(one, 'for 30000', 30_000);
    await clock.advance(19_000);
    assert.equal((await assertions.of(one, 'for 30000', 30_000)).jwt, 'jwt-2');
    await clock.advance(1000);
    assert.equal(assertions.known(one, 'for 30000', clock.now(), 30_000), undefined);
    assert.equal(assertions.known(one, 'for 30000', clock.now(), 10_000)?.jwt, 'jwt-2');
    assert.equal((await assertions.of(one, 'for 30000', 30_000)).jwt, 'jwt-4');
  });

  it('never outlive their session, and are bounded in number', async () => {
    const { assertions, record, clock, signed } = begin(2);
    assert.equal((await assertions.of(record(1, 5000), 'intranet')).expiresAtMs, clock.now() + 5000);
    for (const n of [2, 3, 4]) await assertions.of(record(n), 'intranet');
    await assertions.of(record(4), 'intranet');
    assert.equal(signed.length, 4);
  });
});
