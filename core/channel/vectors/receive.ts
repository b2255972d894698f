import { fromBinary } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { ServerKeyListSchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { checkSessionIdMac, parseSessionId } from '../../ids/session-id.ts';
import { decodeActivationString } from '../activation-string.ts';
import { acceptAttach, completeAttach } from '../attach.ts';
import { openEnroll, openEnrollReply } from '../enroll.ts';
import { FrameOpener, FrameSealer, type SealedFrame } from '../frame.ts';
import { importRecipient } from '../hpke-open.ts';
import { Multiplexer } from '../multiplex/multiplexer.ts';
import { decodeStreamFrame } from '../multiplex/stream-codec.ts';
import { nobleCrypto as crypto } from '../noble-crypto.ts';
import { agreeSession, completeSession, openOpenSession } from '../open-session.ts';
import { chooseServerKey, verifyKeyList } from '../server-keys.ts';
import { openSessionReply, openSessionRequest, type SessionMessageKind } from '../session-message.ts';
import { fromHex, hex } from './form.ts';

/** What a receiver is given: values of suite-1.json under the same names, some of them replaced. */
export type Given = Readonly<Record<string, string | number>>;

/** One frame of a `frames` case, as its receiver takes it. */
export interface GivenFrame {
  readonly type: 'request' | 'response' | 'stream';
  /** Decimal, since it may be larger than a number of JSON is in some languages. */
  readonly sequence: string;
  readonly ciphertext: string;
}

export type Step =
  | 'activation'
  | 'keys'
  | 'enroll'
  | 'enrollReply'
  | 'sessionId'
  | 'open'
  | 'openReply'
  | 'renew'
  | 'renewReply'
  | 'close'
  | 'closeReply'
  | 'stepUp'
  | 'stepUpReply'
  | 'attach'
  | 'attachReply';

/**
 * What the receiver of each step of docs/PROTOCOL.md does with what it is given.
 * @throws the error that the protocol says
 */
export const receivers: Readonly<Record<Step, (given: Given) => Promise<unknown> | unknown>> = {
  activation: (given) => decodeActivationString(text(given, 'activationString')),
  keys: (given) => {
    const list = bytes(given, 'list');
    const signed = { list, signature: bytes(given, 'signature'), identityKey: bytes(given, 'identityKey') };
    verifyKeyList(crypto, bytes(given, 'identityDigest'), signed);
    const { expiresAtMs, suites, keys } = fromBinary(ServerKeyListSchema, list);
    const offered = keys.map((key) => ({
      ...key,
      notBeforeMs: Number(key.notBeforeMs),
      notAfterMs: Number(key.notAfterMs),
    }));
    return chooseServerKey(
      { expiresAtMs: Number(expiresAtMs), suites, keys: offered },
      { nowMs: number(given, 'nowMs'), strongestSeen: number(given, 'strongestSeen') },
    );
  },
  enroll: async (given) => openEnroll(recipient(given), named(given)),
  enrollReply: (given) =>
    openEnrollReply(
      crypto,
      { replyKey: bytes(given, 'replyKey'), enc: bytes(given, 'enc') },
      bytes(given, 'reply'),
    ),
  sessionId: (given) => {
    const id = parseSessionId(text(given, 'sessionId'));
    if (!checkSessionIdMac(crypto, id, [bytes(given, 'macKey')])) throw new SallyportError('SESSION_UNKNOWN');
  },
  open: async (given) => {
    const message = { ...named(given), routeKey: text(given, 'routeKey') };
    const received = await openOpenSession(recipient(given), bytes(given, 'sharedKey'), message);
    return agreeSession(crypto, received, bytes(given, 'deviceShare'));
  },
  openReply: (given) =>
    completeSession(
      crypto,
      {
        ...{ ...named(given), routeKey: text(given, 'routeKey'), exported: bytes(given, 'exported') },
        share: { secretKey: bytes(given, 'deviceShareSecret'), publicKey: new Uint8Array() },
      },
      { serverShare: bytes(given, 'serverShare'), ciphertext: bytes(given, 'reply') },
    ),
  renew: (given) => sessionRequest('renew', given),
  renewReply: (given) => sessionReply('renew', given),
  close: (given) => sessionRequest('close', given),
  closeReply: (given) => sessionReply('close', given),
  stepUp: (given) => sessionRequest('stepUp', given),
  stepUpReply: (given) => sessionReply('stepUp', given),
  attach: (given) =>
    acceptAttach(crypto, session(given), {
      ...{ deviceNonce: bytes(given, 'deviceNonce'), proof: bytes(given, 'proof') },
      ...{ epoch: bytes(given, 'epoch'), proxy: text(given, 'proxy') },
    }),
  attachReply: (given) =>
    completeAttach(crypto, session(given), {
      ...{ epoch: bytes(given, 'epoch'), deviceNonce: bytes(given, 'deviceNonce') },
      ...{ serverNonce: bytes(given, 'serverNonce'), proxy: text(given, 'proxy') },
      confirmation: bytes(given, 'confirmation'),
    }),
};

/** Takes the frames of one direction in order; responses answer request number 0. */
export function receiveFrames(given: Given, frames: readonly GivenFrame[]): void {
  const { sessionId } = session(given);
  const opener = new FrameOpener(crypto, {
    ...{ sessionId, epoch: bytes(given, 'epoch'), key: bytes(given, 'key') },
  });
  for (const { type, sequence, ciphertext } of frames) {
    const number = BigInt(sequence);
    const sealed = fromHex(ciphertext);
    if (type === 'request') opener.openRequest(number, sealed);
    else if (type === 'response') opener.openResponse(0, number, sealed);
    else opener.openStream(number, sealed);
  }
}

/** Takes the plaintexts of stream frames in order, as the proxy does, or as a device that has begun request 1. */
export function receiveMessages(role: 'device' | 'proxy', messages: readonly string[]): void {
  const multiplexer = new Multiplexer({
    role,
    send: () => undefined,
    onRequest: () => new Promise(() => undefined),
  });
  if (role === 'device') {
    const head = { method: 'GET', authority: 'intranet.example', path: '/', headers: [] };
    // Some cases fail it; what the case is about is what `receive` throws.
    multiplexer
      .request(head)
      .response()
      .catch(() => undefined);
  }
  for (const plaintext of messages) {
    for (const message of decodeStreamFrame(fromHex(plaintext))) multiplexer.receive(message);
  }
}

/** Seals a frame as the holder of the key would, for cases that nobody else can make. */
export function sealedBy(
  given: Given,
  type: GivenFrame['type'],
  firstSequence: number,
  seal: (sealer: FrameSealer) => SealedFrame,
): GivenFrame {
  const { sessionId } = session(given);
  const direction = { sessionId, epoch: bytes(given, 'epoch'), key: bytes(given, 'key') };
  const { sequence, ciphertext } = seal(new FrameSealer(crypto, direction, firstSequence));
  return { type, sequence: String(sequence), ciphertext: hex(ciphertext) };
}

function sessionRequest(kind: SessionMessageKind, given: Given): Uint8Array {
  const request = { nonce: bytes(given, 'nonce'), ciphertext: bytes(given, 'ciphertext') };
  return openSessionRequest(crypto, { kind, ...session(given) }, request);
}

function sessionReply(kind: SessionMessageKind, given: Given): Uint8Array {
  return openSessionReply(crypto, { kind, ...session(given) }, bytes(given, 'nonce'), bytes(given, 'reply'));
}

function recipient(given: Given): ReturnType<typeof importRecipient> {
  return importRecipient(crypto, 1, {
    publicKey: bytes(given, 'publicKey'),
    secretKey: bytes(given, 'secretKey'),
  });
}

function named(given: Given): { suite: number; keyId: string; enc: Uint8Array; ciphertext: Uint8Array } {
  return {
    ...{ suite: number(given, 'suite'), keyId: text(given, 'keyId') },
    ...{ enc: bytes(given, 'enc'), ciphertext: bytes(given, 'ciphertext') },
  };
}

function session(given: Given): { sessionId: string; sessionKey: Uint8Array } {
  return { sessionId: text(given, 'sessionId'), sessionKey: bytes(given, 'sessionKey') };
}

function text(given: Given, name: string): string {
  const value = given[name];
  if (typeof value !== 'string') throw new TypeError(`the vector has no ${name}`);
  return value;
}

const bytes = (given: Given, name: string): Uint8Array => fromHex(text(given, name));

function number(given: Given, name: string): number {
  const value = given[name];
  if (typeof value !== 'number') throw new TypeError(`the vector has no ${name}`);
  return value;
}
