import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { acceptAttach, beginAttach, completeAttach } from './attach.ts';
import { utf8 } from './bytes.ts';
import { hex } from './crypto.contract.ts';
import { openEnroll, openEnrollReply, sealEnroll, sealEnrollReply } from './enroll.ts';
import { generateHpkeKeyPair } from './hpke.ts';
import { importRecipient } from './hpke-open.ts';
import { nobleCrypto } from './noble-crypto.ts';
import {
  agreeSession,
  completeSession,
  openOpenSession,
  sealOpenReply,
  sealOpenSession,
} from './open-session.ts';
import {
  openSessionReply,
  openSessionRequest,
  sealSessionReply,
  sealSessionRequest,
} from './session-message.ts';

// The device side runs on the browser's provider and the server side on libsodium, as in life.
const device = nobleCrypto;
const server = channelCrypto;

const refused = (reason: string) => (thrown: unknown) =>
  thrown instanceof SallyportError && thrown.reason === reason;

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const bit = at % (bytes.length * 8);
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return changed;
}

async function serverKey() {
  const pair = await generateHpkeKeyPair(1);
  return { name: { suite: 1, keyId: 'k1' }, pair, recipient: importRecipient(channelCrypto, 1, pair) };
}

describe('enroll', () => {
  it('gives both sides the same key, and the reply opens for this message only', async () => {
    const { name, pair, recipient } = await serverKey();
    const attempt = await sealEnroll({ ...name, publicKey: pair.publicKey }, utf8('code'));
    const opened = await openEnroll(recipient, { ...name, ...attempt });
    assert.equal(hex(opened.plaintext), hex(utf8('code')));
    assert.equal(hex(opened.sharedKey), hex(attempt.sharedKey));
    const reply = sealEnrollReply(server, { ...opened, enc: attempt.enc }, utf8('welcome'));
    assert.equal(hex(openEnrollReply(device, attempt, reply)), hex(utf8('welcome')));
    const other = await sealEnroll({ ...name, publicKey: pair.publicKey }, utf8('code'));
    assert.throws(() => openEnrollReply(device, other, reply), refused('UNTRUSTED_SERVER'));
    fc.assert(
      fc.property(fc.nat(), (at) => {
        assert.throws(() => openEnrollReply(device, attempt, flip(reply, at)), refused('UNTRUSTED_SERVER'));
      }),
    );
  });

  it('refuses any flipped bit and another key name', async () => {
    const { name, pair, recipient } = await serverKey();
    const attempt = await sealEnroll({ ...name, publicKey: pair.publicKey }, utf8('code'));
    const sealed = { ...name, enc: attempt.enc, ciphertext: attempt.ciphertext };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('enc', 'ciphertext'), fc.nat(), async (part, at) => {
        // The highest bit of an X25519 share is not part of the point (RFC 7748 section 5); HPKE's
        // KEM context has it nevertheless, so that it is noticed, too.
        const changed = { ...sealed, [part]: flip(sealed[part === 'enc' ? 'enc' : 'ciphertext'], at) };
        await assert.rejects(openEnroll(recipient, changed), refused('UNSEALABLE'));
      }),
      { numRuns: 30 },
    );
    await assert.rejects(
      openEnroll(recipient, { ...sealed, enc: flip(sealed.enc, 255) }),
      refused('UNSEALABLE'),
    );
    await assert.rejects(openEnroll(recipient, { ...sealed, keyId: 'k2' }), refused('UNSEALABLE'));
  });
});

describe('open session', () => {
  async function opening() {
    const { name, pair, recipient } = await serverKey();
    const sharedKey = device.randomBytes(32);
    const routeKey = 'AAAAAAAAAAAAAAAAAAAAAA';
    const to = { ...name, publicKey: pair.publicKey, routeKey, sharedKey };
    const attempt = await sealOpenSession(device, to, (share) => Uint8Array.from(share));
    return { attempt, sharedKey, recipient };
  }

  it('agrees a session key and confirms it', async () => {
    const { attempt, sharedKey, recipient } = await opening();
    const received = await openOpenSession(recipient, sharedKey, attempt);
    assert.equal(hex(received.plaintext), hex(attempt.share.publicKey));
    const agreed = agreeSession(server, received, received.plaintext);
    const ciphertext = sealOpenReply(server, agreed, utf8('session'));
    const { serverShare } = agreed;
    const done = completeSession(device, attempt, { serverShare, ciphertext });
    assert.equal(hex(done.plaintext), hex(utf8('session')));
    assert.equal(hex(done.sessionKey), hex(agreed.sessionKey));
    assert.throws(() => sealOpenReply(server, agreed, utf8('another')), refused('INTERNAL'));
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (at, inShare) => {
        const reply = inShare
          ? { serverShare: flip(serverShare, at), ciphertext }
          : { serverShare, ciphertext: flip(ciphertext, at) };
        assert.throws(() => completeSession(device, attempt, reply), refused('UNTRUSTED_SERVER'));
      }),
      { numRuns: 50 },
    );
    const zero = { serverShare: new Uint8Array(32), ciphertext };
    assert.throws(() => completeSession(device, attempt, zero), refused('UNTRUSTED_SERVER'));
  });

  it('every answer has keys of its own', async () => {
    const { attempt, sharedKey, recipient } = await opening();
    const received = await openOpenSession(recipient, sharedKey, attempt);
    const [one, two] = [1, 2].map(() => agreeSession(server, received, received.plaintext));
    assert.ok(one && two);
    assert.notEqual(hex(one.sessionKey), hex(two.sessionKey));
    assert.notEqual(hex(one.replyKey), hex(two.replyKey));
  });

  it('refuses another shared key, another route key, flipped bits and a zero share', async () => {
    const { attempt, sharedKey, recipient } = await opening();
    const wrong = [
      { key: device.randomBytes(32), message: attempt },
      { key: sharedKey, message: { ...attempt, routeKey: 'BAAAAAAAAAAAAAAAAAAAAA' } },
      { key: sharedKey, message: { ...attempt, keyId: 'k' } },
      { key: sharedKey, message: { ...attempt, enc: flip(attempt.enc, 3) } },
      { key: sharedKey, message: { ...attempt, ciphertext: flip(attempt.ciphertext, 99) } },
    ];
    for (const { key, message } of wrong) {
      await assert.rejects(openOpenSession(recipient, key, message), refused('UNSEALABLE'));
    }
    const received = await openOpenSession(recipient, sharedKey, attempt);
    assert.throws(() => agreeSession(server, received, new Uint8Array(32)), refused('MALFORMED'));
    assert.throws(() => agreeSession(server, received, new Uint8Array(7)), refused('MALFORMED'));
  });
});

describe('session messages', () => {
  const sessionKey = device.randomBytes(32);
  const context = { kind: 'renew', sessionId: 'some.session.id', sessionKey } as const;

  it('travel both ways, and two answers to one request share no key', () => {
    const request = sealSessionRequest(device, context, utf8('now'));
    assert.equal(hex(openSessionRequest(server, context, request)), hex(utf8('now')));
    const [one, two] = [1, 2].map(() => sealSessionReply(server, context, request.nonce, utf8('later')));
    assert.ok(one && two);
    assert.notEqual(hex(one), hex(two));
    for (const reply of [one, two]) {
      assert.equal(hex(openSessionReply(device, context, request.nonce, reply)), hex(utf8('later')));
    }
  });

  it('refuse flipped bits, other kinds, sessions, keys and the wrong direction', () => {
    const request = sealSessionRequest(device, context, utf8('now'));
    const reply = sealSessionReply(server, context, request.nonce, utf8('later'));
    const others = [
      { ...context, kind: 'close' as const },
      { ...context, sessionId: 'another' },
      { ...context, sessionKey: device.randomBytes(32) },
    ];
    for (const other of others) {
      assert.throws(() => openSessionRequest(server, other, request), refused('UNSEALABLE'));
      assert.throws(() => openSessionReply(device, other, request.nonce, reply), refused('UNTRUSTED_SERVER'));
    }
    fc.assert(
      fc.property(fc.nat(), fc.boolean(), (at, inNonce) => {
        const changed = inNonce
          ? { ...request, nonce: flip(request.nonce, at) }
          : { ...request, ciphertext: flip(request.ciphertext, at) };
        assert.throws(() => openSessionRequest(server, context, changed), refused('UNSEALABLE'));
        const bent = flip(reply, at);
        assert.throws(
          () => openSessionReply(device, context, request.nonce, bent),
          refused('UNTRUSTED_SERVER'),
        );
      }),
    );
    assert.throws(
      () => openSessionReply(device, context, request.nonce, request.ciphertext),
      refused('UNTRUSTED_SERVER'),
    );
    const short = { ...request, nonce: request.nonce.slice(1) };
    assert.throws(() => openSessionRequest(server, context, short), refused('UNSEALABLE'));
  });
});

describe('attach', () => {
  const session = { sessionId: 'some.session.id', sessionKey: device.randomBytes(32) };
  const epoch = Uint8Array.from({ length: 16 }, (_, i) => i);

  it('gives device and proxy the same two keys, for that epoch and that proxy', () => {
    const begun = beginAttach(device, session.sessionKey, session.sessionId);
    const accept = () => acceptAttach(server, session, { ...begun, epoch, proxy: 'proxy-0' });
    const accepted = accept();
    const keys = completeAttach(device, session, { ...begun, ...accepted, epoch, proxy: 'proxy-0' });
    assert.equal(hex(keys.deviceToProxy), hex(accepted.keys.deviceToProxy));
    assert.equal(hex(keys.proxyToDevice), hex(accepted.keys.proxyToDevice));
    assert.notEqual(hex(keys.deviceToProxy), hex(keys.proxyToDevice));
    assert.notEqual(hex(accept().keys.deviceToProxy), hex(keys.deviceToProxy));
  });

  it('refuses a wrong proof, and an answer that the security tier did not give', () => {
    const begun = beginAttach(device, session.sessionKey, session.sessionId);
    const accepted = acceptAttach(server, session, { ...begun, epoch, proxy: 'proxy-0' });
    const reply = { ...begun, ...accepted, epoch, proxy: 'proxy-0' };
    const other = { ...session, sessionId: 'another' };
    assert.throws(
      () => acceptAttach(server, other, { ...begun, epoch, proxy: 'proxy-0' }),
      refused('ATTACH_PROOF_INVALID'),
    );
    assert.throws(
      () => completeAttach(device, session, { ...reply, proxy: 'proxy-1' }),
      refused('UNTRUSTED_SERVER'),
    );
    fc.assert(
      fc.property(fc.nat(), (at) => {
        const bent = { ...begun, proof: flip(begun.proof, at), epoch, proxy: 'proxy-0' };
        assert.throws(() => acceptAttach(server, session, bent), refused('ATTACH_PROOF_INVALID'));
        for (const part of ['epoch', 'serverNonce', 'confirmation', 'deviceNonce'] as const) {
          const changed = { ...reply, [part]: flip(reply[part], at) };
          assert.throws(() => completeAttach(device, session, changed), refused('UNTRUSTED_SERVER'));
        }
      }),
      { numRuns: 50 },
    );
  });
});
