import assert from 'node:assert/strict';
import { before, describe, it } from 'mocha';
import { generateHpkeKeyPair, type HpkeKeyPair } from '#core/channel/hpke.ts';
import { type HpkeRecipient, importRecipient } from '#core/channel/hpke-open.ts';
import { type OpenMessage, sealOpenSession } from '#core/channel/open-session.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { Bound } from '#kernel/crypto/bound.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { AsOf } from '../feed/as-of.ts';
import type { Enrolment } from '../keystore/enrolments.ts';
import { limits } from '../throttle/limits.ts';
import { type UnsealDeps, unsealOpening } from './unseal-opening.ts';

const routeKey = `${'r'.repeat(21)}A`;
const key = (): Uint8Array => channelCrypto.randomBytes(32);

function enrolled(sharedKey: Uint8Array, ...nextKeys: Uint8Array[]): Enrolment {
  return {
    ...{ routeKey, deviceId: 'd', deviceName: 'd', user: 'ada', appId: 'app', platform: 'ios' },
    ...{
      sharedKey,
      nextKeys,
      keyVersion: 1,
      rotationPending: false,
      createdMs: 0,
      revokedMs: undefined,
      blockedMs: undefined,
      blockedBy: undefined,
      attested: undefined,
      pinHash: undefined,
      pinFailures: 0,
    },
  };
}

describe('unsealOpening', () => {
  let pair: HpkeKeyPair;
  let recipient: HpkeRecipient;
  const signal = new AbortController().signal;
  const asOf = new AsOf(0);

  before(async () => {
    pair = await generateHpkeKeyPair(1);
    recipient = importRecipient(channelCrypto, 1, pair);
  });

  /** A pod that knows one enrolment, or none, and counts its handshakes. */
  const podWith = (
    enrolment: Enrolment | undefined,
    bound = new Bound({ inside: 2, waiting: 9, what: 'x' }),
  ) => {
    let handshakes = 0;
    const deps = {
      replica: { readSoon: () => Promise.resolve({ found: enrolment, position: undefined }) },
      keyring: { recipient: () => Promise.resolve(recipient) },
      limits: limits(new ManualClock()),
      handshakes: {
        run: <T>(work: () => Promise<T>) => {
          handshakes += 1;
          return bound.run(work);
        },
      },
    } as Partial<UnsealDeps> as UnsealDeps;
    return {
      deps,
      handshakes: () => handshakes,
      open: async (sharedKey: Uint8Array, address = 'here') =>
        unsealOpening(deps, await message(sharedKey), { address, signal, deadlineMs: 1000, asOf }),
      unseal: (sealed: OpenMessage) =>
        unsealOpening(deps, sealed, { address: 'here', signal, deadlineMs: 1000, asOf }),
    };
  };
  const message = (sharedKey: Uint8Array) =>
    sealOpenSession(
      channelCrypto,
      { suite: 1, keyId: 'k', publicKey: pair.publicKey, routeKey, sharedKey },
      () => new TextEncoder().encode('body'),
    );

  it('opens under the shared key, and under each next key, and says which', async () => {
    const [shared, older, newer] = [key(), key(), key()];
    const pod = podWith(enrolled(shared, newer, older));
    assert.equal((await pod.open(shared)).byNextKey, undefined);
    assert.equal((await pod.open(newer)).byNextKey, newer);
    assert.equal((await pod.open(older)).byNextKey, older);
  });

  it('an unknown route key looks and costs the same as a wrong key', async () => {
    const [unknown, wrong] = [podWith(undefined), podWith(enrolled(key()))];
    const errors = await Promise.all(
      [unknown, wrong].map((pod) =>
        pod.open(key()).then(
          () => assert.fail(),
          (error) => SallyportError.from(error),
        ),
      ),
    );
    assert.equal(errors[0]?.reason, 'UNSEALABLE');
    assert.equal(errors[1]?.reason, 'UNSEALABLE');
    assert.equal(errors[0]?.message, errors[1]?.message);
    assert.deepEqual([unknown.handshakes(), wrong.handshakes()], [1, 1]);
  });

  it('stops who goes on sending what does not open, and nobody else behind the same address', async () => {
    const shared = key();
    const pod = podWith(enrolled(shared));
    for (let n = 0; n < 20; n++) await assert.rejects(pod.open(key()), failsAs('UNSEALABLE'));
    const before = pod.handshakes();
    await assert.rejects(pod.open(shared), failsAs('THROTTLED'));
    assert.equal(pod.handshakes(), before);
    assert.ok(await pod.open(shared, 'elsewhere'));
    const { unsealable } = pod.deps.limits;
    unsealable.check('here');
  });

  it('works on so many at once, and tells the rest that it has too much to do', async () => {
    const shared = key();
    const pod = podWith(enrolled(shared), new Bound({ inside: 1, waiting: 1, what: 'handshakes' }));
    // Sealed before: that takes longer than opening, and they are to come at once.
    const messages = await Promise.all([1, 2, 3, 4].map(() => message(shared)));
    const all = await Promise.allSettled(messages.map(pod.unseal));
    const failed = all.flatMap((each) =>
      each.status === 'rejected' ? [SallyportError.from(each.reason)] : [],
    );
    assert.equal(failed.length, 2);
    for (const error of failed) assert.equal(error.reason, 'OVERLOADED');
    // None of these counts as an attempt that failed.
    assert.equal(pod.deps.limits.unsealable.check('here'), undefined);
    assert.ok(await pod.open(shared));
  });
});

const failsAs = (reason: ErrorReason) => (e: unknown) => SallyportError.from(e).reason === reason;
