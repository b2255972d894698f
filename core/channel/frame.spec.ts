import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { utf8 } from './bytes.ts';
import { maxSequence } from './constants.ts';
import { hex } from './crypto.contract.ts';
import { FrameOpener, FrameSealer } from './frame.ts';
import { nobleCrypto } from './noble-crypto.ts';

const direction = {
  sessionId: 'some.session.id',
  epoch: new Uint8Array(16).fill(7),
  key: nobleCrypto.randomBytes(32),
};
const pair = (first = 0) => ({
  sealer: new FrameSealer(nobleCrypto, direction, first),
  opener: new FrameOpener(channelCrypto, direction),
});
const refused = (reason: string) => (thrown: unknown) =>
  thrown instanceof SallyportError && thrown.reason === reason;
const text = utf8('hello');

describe('frames', () => {
  it('open in any order within the window, once each', () => {
    const { sealer, opener } = pair();
    const body = fc.uint8Array({ maxLength: 100 });
    fc.assert(
      fc.property(fc.array(body, { maxLength: 20 }), fc.infiniteStream(fc.nat()), (bodies, random) => {
        const frames = bodies.map((each) => ({ each, frame: sealer.sealRequest(each) }));
        const order = frames.map((frame) => ({ frame, key: random.next().value }));
        order.sort((a, b) => a.key - b.key);
        for (const { frame } of order) {
          const { sequence, ciphertext } = frame.frame;
          assert.equal(hex(opener.openRequest(BigInt(sequence), ciphertext)), hex(frame.each));
          assert.throws(() => opener.openRequest(sequence, ciphertext), refused('REPLAYED'));
        }
      }),
    );
  });

  it('refuse any flipped bit, and a forgery leaves the number free for the real one', () => {
    const { sealer, opener } = pair();
    fc.assert(
      fc.property(fc.nat(), fc.nat({ max: 2 ** 47 }), (at, elsewhere) => {
        const { sequence, ciphertext } = sealer.sealRequest(text);
        const changed = Uint8Array.from(ciphertext);
        const bit = at % (8 * changed.length);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.throws(() => opener.openRequest(sequence, changed), refused('UNSEALABLE'));
        // Under a number far ahead, which would push everything else out of the window.
        fc.pre(elsewhere > sequence);
        assert.throws(() => opener.openRequest(elsewhere, ciphertext), refused('UNSEALABLE'));
        assert.equal(hex(opener.openRequest(sequence, ciphertext)), hex(text));
      }),
    );
  });

  it('belong to one session, epoch, direction and type', () => {
    const { sealer } = pair();
    const frame = sealer.sealRequest(text);
    const others = [
      { ...direction, sessionId: 'another' },
      { ...direction, epoch: new Uint8Array(16) },
      { ...direction, key: nobleCrypto.randomBytes(32) },
    ];
    for (const other of others) {
      const opener = new FrameOpener(nobleCrypto, other);
      assert.throws(() => opener.openRequest(frame.sequence, frame.ciphertext), refused('UNSEALABLE'));
    }
    const { opener } = pair();
    assert.throws(() => opener.openStream(frame.sequence, frame.ciphertext), refused('UNSEALABLE'));
    assert.throws(() => opener.openResponse(0, frame.sequence, frame.ciphertext), refused('UNSEALABLE'));
  });

  it('a response answers the request it was made for', () => {
    const { sealer, opener } = pair();
    const { sequence, ciphertext } = sealer.sealResponse(41, text);
    assert.throws(() => opener.openResponse(42, sequence, ciphertext), refused('UNSEALABLE'));
    assert.equal(hex(opener.openResponse(41, sequence, ciphertext)), hex(text));
  });

  it('a stream frame left out, swapped or doubled is noticed', () => {
    const { sealer, opener } = pair();
    const frames = [1, 2, 3].map(() => {
      sealer.sealRequest(text);
      return sealer.sealStream(text);
    });
    const [first, second, third] = frames;
    assert.ok(first && second && third);
    assert.throws(() => opener.openStream(second.sequence, second.ciphertext), refused('UNSEALABLE'));
    opener.openStream(first.sequence, first.ciphertext);
    assert.throws(() => opener.openStream(first.sequence, first.ciphertext), refused('REPLAYED'));
    assert.throws(() => opener.openStream(third.sequence, third.ciphertext), refused('UNSEALABLE'));
    opener.openStream(second.sequence, second.ciphertext);
    opener.openStream(third.sequence, third.ciphertext);
  });

  it('numbers end at 2^48 and never wrap', () => {
    const { sealer, opener } = pair(maxSequence - 1);
    const last = sealer.sealRequest(text);
    assert.equal(last.sequence, maxSequence - 1);
    assert.equal(hex(opener.openRequest(last.sequence, last.ciphertext)), hex(text));
    assert.throws(() => sealer.sealRequest(text), refused('SEQUENCE_EXHAUSTED'));
    for (const wrong of [maxSequence, -1, 0.5, Number.NaN, 2n ** 64n - 1n]) {
      assert.throws(() => opener.openRequest(wrong, last.ciphertext), refused('UNSEALABLE'));
    }
    assert.throws(() => pair().opener.openRequest(0, new Uint8Array(3)), refused('UNSEALABLE'));
  });

  it('after wiping, nothing is sealed or opened', () => {
    const { sealer, opener } = pair();
    const frame = sealer.sealRequest(text);
    sealer.wipe();
    opener.wipe();
    assert.throws(() => sealer.sealRequest(text), refused('ATTACH_REQUIRED'));
    assert.throws(() => opener.openRequest(frame.sequence, frame.ciphertext), refused('ATTACH_REQUIRED'));
    assert.equal(
      direction.key.some((byte) => byte !== 0),
      true,
    );
  });
});
