import type { ErrorReason } from '#core/errors/registry.ts';
import { utf8 } from '../bytes.ts';
import { encodeBatch, encodeStreamMessage } from '../multiplex/stream-codec.ts';
import type { Vectors } from './form.ts';
import { fromHex, hex } from './form.ts';
import { type Given, type GivenFrame, type Step, sealedBy } from './receive.ts';

/** A message of suite-1.json of which something is not as it should be, and the reason it is refused with. */
export type WrongCase =
  | { readonly name: string; readonly step: Step; readonly change: Given; readonly reason: ErrorReason }
  | {
      readonly name: string;
      readonly step: 'frames';
      readonly direction: Direction;
      /** All but the last are good. */
      readonly frames: readonly GivenFrame[];
      readonly reason: ErrorReason;
    }
  | {
      readonly name: string;
      readonly step: 'messages';
      /** Who receives them; a device has begun request 1. */
      readonly role: 'device' | 'proxy';
      /** All but the last are good. */
      readonly messages: readonly string[];
      readonly reason: ErrorReason;
    };

export type Direction = 'deviceToProxy' | 'proxyToDevice';

/** What the receiver of a step is given by suite-1.json when nothing is wrong. */
export function givenFor(step: Step, vectors: Vectors): Given {
  const of = (name: string): Given => vectors[name] as Given;
  const { sessionKey, deviceShareSecret } = of('open');
  const { sessionId, routeKey } = of('ids');
  const named = { suite: 1, ...of('serverKey') };
  const session = { sessionId: sessionId ?? '', sessionKey: sessionKey ?? '' };
  switch (step) {
    case 'activation':
      return of('keys');
    case 'keys':
      // A second after the list was signed.
      return { ...of('keys'), nowMs: 1_790_000_001_000, strongestSeen: 1 };
    case 'enroll':
    case 'enrollReply':
      return { ...named, ...of('enroll') };
    case 'sessionId':
      return of('ids');
    case 'open':
      return {
        ...{ ...named, ...of('open'), routeKey: routeKey ?? '', sharedKey: of('enroll').sharedKey ?? '' },
        // The device's share stands in the plaintext; any valid one serves.
        deviceShare: of('open').serverShare ?? '',
      };
    case 'openReply':
      return {
        ...{ ...named, ...of('open'), routeKey: routeKey ?? '' },
        deviceShareSecret: deviceShareSecret ?? '',
      };
    case 'renew':
    case 'renewReply':
      return { ...of('renew'), ...session };
    case 'close':
    case 'closeReply':
      return { ...of('close'), ...session };
    case 'stepUp':
    case 'stepUpReply':
      return { ...of('stepUp'), ...session };
    case 'attach':
    case 'attachReply':
      return { ...of('attach'), ...session };
  }
}

/** Given for the frames of one direction. */
export function givenForFrames(direction: Direction, vectors: Vectors): Given {
  const { [direction]: key, ...attach } = givenFor('attach', vectors);
  return { ...attach, key: key ?? '' };
}

/** Every way of being wrong that the protocol names, at least once. */
export function makeWrong(vectors: Vectors): WrongCase[] {
  const wrong = (
    step: Step,
    reason: ErrorReason,
    cases: Readonly<Record<string, (given: Record<string, string>) => Given>>,
  ): WrongCase[] =>
    Object.entries(cases).map(([name, change]) => ({
      ...{ name, step, reason },
      change: change(givenFor(step, vectors) as Record<string, string>),
    }));
  const sealedKeys = { enc: flipped('enc', 3), ciphertext: flipped('ciphertext', 0) };
  return [
    ...wrong('activation', 'MALFORMED', {
      'another scheme': () => ({ activationString: 'https://example.com' }),
      'nothing after the prefix': () => ({ activationString: 'sallyport:1:' }),
      'padding, which base64url here has not': ({ activationString }) => ({
        activationString: `${activationString}=`,
      }),
      'unused bits that are not zero': () => ({ activationString: 'sallyport:1:AB' }),
      'too long': () => ({ activationString: `sallyport:1:${'A'.repeat(2048)}` }),
    }),
    ...wrong('keys', 'UNTRUSTED_SERVER', {
      'signed by another identity': () => ({ identityKey: '01'.repeat(32) }),
      'pinned to another identity': flipped('identityDigest', 31),
      'a changed signature': flipped('signature', 10),
      'a changed list': flipped('list', 4),
      'a list that has expired': () => ({ nowMs: 1_790_003_600_000 }),
      'weaker suites than were seen before': () => ({ strongestSeen: 2 }),
    }),
    ...wrong('keys', 'UNKNOWN_SERVER_KEY', {
      'no key that is valid yet': () => ({ nowMs: 1_789_999_999_999 }),
    }),
    ...wrong('enroll', 'UNSEALABLE', {
      'a changed enc': sealedKeys.enc,
      'a changed ciphertext': sealedKeys.ciphertext,
      'a shortened ciphertext': shortened('ciphertext'),
      'another key id, which is part of info': () => ({ keyId: 'k-2026-11-24' }),
      'an enc of all zeros': () => ({ enc: '00'.repeat(32) }),
      'an enc that is too short': () => ({ enc: '01'.repeat(31) }),
    }),
    ...wrong('enrollReply', 'UNTRUSTED_SERVER', {
      'a changed reply': flipped('reply', 5),
      'the reply to another enc': flipped('enc', 0),
      'a reply of less than a tag': () => ({ reply: '00'.repeat(15) }),
    }),
    ...wrong('sessionId', 'SESSION_UNKNOWN', {
      'a MAC of another key': flipped('macKey', 0),
      'another opener': ({ sessionId }) => ({ sessionId: (sessionId ?? '').replace('.sec-0.', '.sec-1.') }),
    }),
    ...wrong('sessionId', 'MALFORMED', {
      'no MAC': ({ sessionId }) => ({ sessionId: (sessionId ?? '').slice(0, -23) }),
      'one letter too many': ({ sessionId }) => ({ sessionId: `${sessionId}A` }),
      'a capital in the opener': ({ sessionId }) => ({
        sessionId: (sessionId ?? '').replace('.sec-0.', '.Sec-0.'),
      }),
    }),
    ...wrong('open', 'UNSEALABLE', {
      'another shared key': flipped('sharedKey', 0),
      'another route key, which is the psk_id': () => ({ routeKey: 'AAAAAAAAAAAAAAAAAAAAAA' }),
      'a changed enc': sealedKeys.enc,
      'a changed ciphertext': sealedKeys.ciphertext,
    }),
    ...wrong('open', 'MALFORMED', {
      'a device share of all zeros': () => ({ deviceShare: '00'.repeat(32) }),
    }),
    ...wrong('openReply', 'UNTRUSTED_SERVER', {
      'a changed server share': flipped('serverShare', 1),
      'a server share of all zeros': () => ({ serverShare: '00'.repeat(32) }),
      'a changed reply': flipped('reply', 2),
      'the reply to another ciphertext': flipped('ciphertext', 9),
      'from a tier without the shared key': flipped('exported', 0),
    }),
    ...(['renew', 'close', 'stepUp'] as const).flatMap((kind) => [
      ...wrong(kind, 'UNSEALABLE', {
        'a changed nonce': flipped('nonce', 0),
        'a nonce of 31 bytes': shortened('nonce'),
        'a changed ciphertext': flipped('ciphertext', 0),
        'another session': ({ sessionId }) => ({
          sessionId: (sessionId ?? '').replace('.sec-0.', '.sec-1.'),
        }),
      }),
      ...wrong(`${kind}Reply`, 'UNTRUSTED_SERVER', {
        'a changed reply': flipped('reply', 40),
        'another reply nonce': flipped('reply', 0),
        'the reply to another request': flipped('nonce', 0),
      }),
    ]),
    ...wrong('renew', 'UNSEALABLE', {
      'a CloseSession that is called a RenewSession': () => {
        const { nonce = '', ciphertext = '' } = givenFor('close', vectors);
        return { nonce, ciphertext };
      },
    }),
    ...wrong('attach', 'ATTACH_PROOF_INVALID', {
      'a changed proof': flipped('proof', 0),
      'another nonce': flipped('deviceNonce', 0),
      'another session key': flipped('sessionKey', 0),
      'a nonce of 31 bytes': shortened('deviceNonce'),
    }),
    ...wrong('attachReply', 'UNTRUSTED_SERVER', {
      'another proxy than the one confirmed': () => ({ proxy: 'proxy-1' }),
      'another epoch': flipped('epoch', 15),
      'another server nonce': flipped('serverNonce', 0),
      'a changed confirmation': flipped('confirmation', 0),
      'an epoch of 15 bytes': shortened('epoch'),
    }),
    ...wrongFrames(vectors),
    ...wrongMessages(),
  ];
}

function wrongFrames(vectors: Vectors): WrongCase[] {
  const given = (name: string, type: GivenFrame['type'], change: Partial<GivenFrame> = {}): GivenFrame => {
    const { sequence, ciphertext } = (vectors.frames as Vectors)[name] as Given;
    return { type, sequence: String(sequence), ciphertext: String(ciphertext), ...change };
  };
  const frames = (
    reason: ErrorReason,
    name: string,
    list: readonly GivenFrame[],
    direction: Direction = 'deviceToProxy',
  ): WrongCase => ({ name, step: 'frames', reason, direction, frames: list });
  const request = given('request', 'request');
  const up = givenForFrames('deviceToProxy', vectors);
  const down = givenForFrames('proxyToDevice', vectors);
  return [
    frames('REPLAYED', 'the same frame again', [request, request]),
    frames('REPLAYED', 'a number of which nobody knows any more', [
      sealedBy(up, 'request', 4096, (sealer) => sealer.sealRequest(utf8('much later'))),
      request,
    ]),
    frames('UNSEALABLE', 'a changed number', [{ ...request, sequence: '7' }]),
    frames('UNSEALABLE', 'a changed ciphertext', [{ ...request, ciphertext: flip(request.ciphertext, 2) }]),
    frames('UNSEALABLE', 'a number beyond all', [{ ...request, sequence: String(2 ** 48) }]),
    frames('UNSEALABLE', 'a request of the other direction', [request], 'proxyToDevice'),
    frames('UNSEALABLE', 'an Exchange frame on the stream', [{ ...request, type: 'stream' }]),
    frames('UNSEALABLE', 'a stream frame that was left out', [given('stream1', 'stream')]),
    frames(
      'UNSEALABLE',
      'the answer to another request',
      [sealedBy(down, 'response', 0, (sealer) => sealer.sealResponse(5, utf8('response')))],
      'proxyToDevice',
    ),
  ];
}

function wrongMessages(): WrongCase[] {
  const head = { method: 'GET', authority: 'intranet.example', path: '/', headers: [] };
  const begin = (requestId: number): string =>
    hex(encodeStreamMessage({ requestId, kind: 'requestHead', head }));
  const data = (bytes: number): string =>
    hex(encodeStreamMessage({ requestId: 1, kind: 'data', data: new Uint8Array(bytes) }));
  const end = hex(encodeStreamMessage({ requestId: 1, kind: 'end' }));
  const respond = hex(
    encodeStreamMessage({ requestId: 1, kind: 'responseHead', head: { status: 200, headers: [] } }),
  );
  const credit = hex(encodeStreamMessage({ requestId: 1, kind: 'credit', credit: 16 * 1024 * 1024 }));
  const messages = (name: string, role: 'device' | 'proxy', list: readonly string[]): WrongCase => ({
    ...{ name, step: 'messages', role, messages: list, reason: 'MALFORMED' },
  });
  const batch = (...plaintexts: string[]): string => hex(encodeBatch(plaintexts.map(fromHex)));
  return [
    messages('a batch of nothing', 'proxy', [batch()]),
    messages('a batch in a batch', 'proxy', [batch(begin(1)), batch(batch(end))]),
    messages('a batch that breaks the rules behind a good message', 'proxy', [batch(begin(2), begin(1))]),
    messages('no known kind', 'proxy', ['0801']),
    messages('not a protobuf message', 'proxy', ['ff']),
    messages('a request number that does not rise', 'proxy', [begin(2), begin(1)]),
    messages('request number 0', 'proxy', [begin(0)]),
    messages('a request that was never begun', 'proxy', [end]),
    messages('a response from a device', 'proxy', [begin(1), respond]),
    messages('data after the end', 'proxy', [begin(1), end, data(1)]),
    messages('a body that is ended twice', 'proxy', [begin(1), end, end]),
    messages('a piece without bytes', 'proxy', [begin(1), data(0)]),
    messages('more credit than there may be', 'proxy', [begin(1), credit]),
    messages('a response before it was asked for', 'device', [
      hex(encodeStreamMessage({ requestId: 2, kind: 'responseHead', head: { status: 200, headers: [] } })),
    ]),
    messages('a body before the response', 'device', [data(1)]),
    messages('a second response to one request', 'device', [respond, respond]),
    messages('a request from a proxy', 'device', [begin(1)]),
  ];
}

function flipped(name: string, at: number): (given: Record<string, string>) => Given {
  return (given) => ({ [name]: flip(given[name] ?? '', at) });
}

function shortened(name: string): (given: Record<string, string>) => Given {
  return (given) => ({ [name]: (given[name] ?? '').slice(0, -2) });
}

/** With the lowest bit of one byte changed. */
function flip(value: string, at: number): string {
  const byte = Number.parseInt(value.slice(2 * at, 2 * at + 2), 16) ^ 1;
  return value.slice(0, 2 * at) + byte.toString(16).padStart(2, '0') + value.slice(2 * at + 2);
}
