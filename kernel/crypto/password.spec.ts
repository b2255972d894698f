import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { Bound } from './bound.ts';
import { hashPassword, verifyPassword } from './password.ts';

describe('passwords', () => {
  it('verifies the right one, in any Unicode spelling, and no other', async () => {
    const phc = await hashPassword('grün\u0308');
    assert.match(phc, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    assert.equal(await verifyPassword(phc, 'grün\u0308'), true);
    assert.equal(await verifyPassword(phc, 'gru\u0308n\u0308'), true);
    assert.equal(await verifyPassword(phc, 'grun'), false);
  });

  it('does not let strangers keep those who are known waiting', async () => {
    const phc = await hashPassword('password');
    let strangers = 0;
    const over = new AbortController();
    const flood = Array.from({ length: 101 }, async () => {
      await verifyPassword(phc, 'guess', over.signal);
      strangers++;
    });
    await assert.rejects(
      () => verifyPassword(phc, 'guess'),
      (e) => e instanceof SallyportError && e.reason === 'OVERLOADED',
    );
    assert.equal(await verifyPassword(phc, 'password', undefined, 'known'), true);
    assert.ok(strangers < 50, `${strangers} strangers went first`);
    over.abort();
    await Promise.allSettled(flood);
  });

  it('verifies the test vector of another implementation', async () => {
    // From the reference implementation (phc-winner-argon2, test.c): m=65536, t=2, p=1.
    const phc = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
    assert.equal(await verifyPassword(phc, 'password'), true);
  });

  it('refuses a hash of another kind or of absurd cost', async () => {
    for (const bad of [
      '',
      'plain',
      '$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJ',
    ]) {
      await assert.rejects(() => verifyPassword(bad, 'x'), SallyportError);
    }
  });
});

describe('Bound', () => {
  it('runs so many at once, in order, and sheds the newest', async () => {
    const bound = new Bound({ inside: 1, waiting: 2, what: 'things' });
    const order: number[] = [];
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const runs = [1, 2, 3].map((n) =>
      bound.run(async () => {
        order.push(n);
        await gate;
      }),
    );
    await assert.rejects(
      () => bound.run(async () => {}),
      (e) => e instanceof SallyportError && e.reason === 'OVERLOADED',
    );
    assert.deepEqual(order, [1]);
    open();
    await Promise.all(runs);
    assert.deepEqual(order, [1, 2, 3]);
    await bound.run(async () => {});
  });

  it('forgets who gave up waiting', async () => {
    const bound = new Bound({ inside: 1, waiting: 1, what: 'things' });
    let open = (): void => {};
    const first = bound.run(
      () =>
        new Promise<void>((resolve) => {
          open = resolve;
        }),
    );
    const abort = new AbortController();
    const second = bound.run(async () => {}, abort.signal);
    abort.abort();
    await assert.rejects(() => second, SallyportError);
    const third = bound.run(async () => 3);
    open();
    await first;
    assert.equal(await third, 3);
  });
});
