/** Enroll and OpenSession, one thing wrong at a time. */
import assert from 'node:assert/strict';
import { create, toBinary } from '@bufbuild/protobuf';
import { EnrollBodySchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import {
  type OpenSessionRequest,
  OpenSessionRequestSchema,
  type Sealed,
} from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import {
  app,
  codeOf,
  enrolling,
  type OpenFields,
  routed,
  sendEnroll,
  serverKey,
  sessionService,
} from '../edge/hand-device.ts';
import { type Case, casesOf, change, type Expected, flipped, spots } from './case.ts';
import type { World } from './world.ts';

type Row = readonly [name: string, expect: Expected, make: Case['make']];

/** What can be wrong with a sealed message whatever is in it. */
const spoiled: readonly (readonly [string, Expected, (sealed: Sealed) => Partial<Sealed>])[] = [
  ['suite 0', 'INVALID_FIELD', () => ({ suite: 0 })],
  ['suite 70,000', 'INVALID_FIELD', () => ({ suite: 70_000 })],
  ['suite 2, which is not offered', 'UNKNOWN_SUITE', () => ({ suite: 2 })],
  ['no key id', 'INVALID_FIELD', () => ({ keyId: '' })],
  ['a key id of 65 letters', 'INVALID_FIELD', () => ({ keyId: 'k'.repeat(65) })],
  ['an invented key id', 'UNKNOWN_SERVER_KEY', () => ({ keyId: 'AAAAAAAAAAAA' })],
  ['a key id that is SQL', 'UNKNOWN_SERVER_KEY', () => ({ keyId: "' or '1'='1" })],
  ['31 bytes of enc', 'INVALID_FIELD', (s) => ({ enc: s.enc.subarray(1) })],
  ['33 bytes of enc', 'UNSEALABLE', (s) => ({ enc: Uint8Array.of(...s.enc, 0) })],
  ['2,049 bytes of enc', 'INVALID_FIELD', () => ({ enc: new Uint8Array(2049) })],
  ['an enc of low order', 'UNSEALABLE', () => ({ enc: new Uint8Array(32) })],
  ['the other form of the same enc', 'UNSEALABLE', (s) => ({ enc: flipped(s.enc, 31, 7) })],
  ['15 bytes of ciphertext', 'INVALID_FIELD', () => ({ ciphertext: new Uint8Array(15) })],
  ['a tag only', 'UNSEALABLE', (s) => ({ ciphertext: s.ciphertext.subarray(-16) })],
  ['a ciphertext without its end', 'UNSEALABLE', (s) => ({ ciphertext: s.ciphertext.subarray(0, -1) })],
  ['16,385 bytes of ciphertext', 'INVALID_FIELD', () => ({ ciphertext: new Uint8Array(16_385) })],
  ...[0, 1, 2].flatMap((n): (readonly [string, Expected, (sealed: Sealed) => Partial<Sealed>])[] => [
    [`a turned bit in enc (${n})`, 'UNSEALABLE', (s) => ({ enc: flipped(s.enc, spots(s.enc)[n] ?? 0) })],
    [
      `a turned bit in the ciphertext (${n})`,
      'UNSEALABLE',
      (s) => ({ ciphertext: flipped(s.ciphertext, spots(s.ciphertext)[n] ?? 0) }),
    ],
  ]),
];

async function anEnrolling(world: World, by: { appId?: string; code?: Uint8Array } = {}) {
  const code = by.code ?? codeOf(await world.activation());
  return enrolling(await serverKey(world.caller), { code, app: { ...app, appId: by.appId ?? app.appId } });
}

/** An enrolment with a plaintext that is no EnrollBody, or a bad one. */
const enrolWith =
  (plaintext: (world: World) => Promise<Uint8Array>): Case['make'] =>
  async (world) => {
    const { request } = await enrolling(await serverKey(world.caller), await plaintext(world));
    return () => sendEnroll(world.caller, request);
  };

const enrolments: readonly Row[] = [
  ...spoiled.map(
    ([name, expect, spoil]): Row => [
      `Enroll with ${name}`,
      expect,
      async (world) => {
        const { request } = await anEnrolling(world);
        change(request.sealed, spoil);
        return () => sendEnroll(world.caller, request);
      },
    ],
  ),
  [
    'Enroll without its message',
    'INVALID_FIELD',
    (world) => () => world.caller.call(`${sessionService}/Enroll`, new Uint8Array()),
  ],
  [
    'Enroll sealed to a key that is not ours, under the name of one that is',
    'UNSEALABLE',
    async (world) => {
      const { publicKey } = channelCrypto.x25519Generate();
      const key = { ...(await serverKey(world.caller)), publicKey };
      const { request } = await enrolling(key, { code: codeOf(await world.activation()) });
      return () => sendEnroll(world.caller, request);
    },
  ],
  ['Enroll with garbage inside', 'MALFORMED', enrolWith(async () => Uint8Array.of(0xff, 0xff))],
  [
    'Enroll with a code of 15 bytes',
    'INVALID_FIELD',
    enrolWith(async () =>
      toBinary(EnrollBodySchema, create(EnrollBodySchema, { code: new Uint8Array(15), app })),
    ),
  ],
  [
    'Enroll without an app',
    'INVALID_FIELD',
    enrolWith(async (world) =>
      toBinary(EnrollBodySchema, create(EnrollBodySchema, { code: codeOf(await world.activation()) })),
    ),
  ],
  [
    'an invented activation code',
    'ACTIVATION_INVALID',
    async (world) => {
      const { request } = await anEnrolling(world, { code: channelCrypto.randomBytes(16) });
      return () => sendEnroll(world.caller, request);
    },
  ],
  [
    'an activation for another app',
    'ACTIVATION_INVALID',
    async (world) => {
      const { request } = await anEnrolling(world, { appId: 'com.example.other' });
      return () => sendEnroll(world.caller, request);
    },
  ],
  [
    'a used activation',
    'ACTIVATION_INVALID',
    async (world) => {
      const code = codeOf(await world.activation());
      await sendEnroll(world.caller, (await anEnrolling(world, { code })).request);
      const { request } = await anEnrolling(world, { code });
      return () => sendEnroll(world.caller, request);
    },
  ],
  [
    'an expired activation',
    'ACTIVATION_INVALID',
    async (world) => {
      const { request } = await anEnrolling(world, { code: codeOf(await world.activation(1)) });
      // The database's clock may lag a little.
      await systemClock.sleep(2500);
      return () => sendEnroll(world.caller, request);
    },
  ],
  [
    'the same enrolment twice: the same answer',
    (answer) => assert.equal(answer.code, 'OK'),
    async (world) => {
      const { request } = await anEnrolling(world);
      const first = await sendEnroll(world.caller, request);
      return async () => {
        const second = await sendEnroll(world.caller, request);
        assert.deepEqual(second.messages, first.messages);
        return second;
      };
    },
  ],
];

/** By a device of its own, since wrong attempts are counted by device. */
const opening =
  (
    fields: OpenFields,
    spoil: (request: OpenSessionRequest) => Partial<OpenSessionRequest> = () => ({}),
  ): Case['make'] =>
  async (world) => {
    const device = await world.newDevice();
    const { request } = await device.opening(fields);
    change(request, spoil);
    return () => device.send(request);
  };

const otherRoute = 'AAAAAAAAAAAAAAAAAAAAAA';

const openings: readonly Row[] = [
  ...spoiled.map(
    ([name, expect, spoil]): Row => [
      `OpenSession with ${name}`,
      expect,
      opening({}, ({ sealed }) => change(sealed, spoil)),
    ],
  ),
  ['a route key that is none', 'INVALID_FIELD', opening({}, () => ({ routeKey: 'a/../b' }))],
  ['a route key that is not the header’s', 'ROUTE_MISMATCH', opening({}, () => ({ routeKey: otherRoute }))],
  [
    'no route header',
    'ROUTE_MISMATCH',
    async (world) => {
      const { request } = await world.device.opening();
      const bytes = toBinary(OpenSessionRequestSchema, request);
      return () => world.caller.call(`${sessionService}/OpenSession`, bytes);
    },
  ],
  [
    'a route key of no device',
    'UNSEALABLE',
    async (world) => {
      const { request } = await world.device.opening({}, { routeKey: otherRoute });
      const bytes = toBinary(OpenSessionRequestSchema, request);
      return () => world.caller.call(`${sessionService}/OpenSession`, bytes, routed(otherRoute));
    },
  ],
  [
    'a message under the shared key of another device',
    'UNSEALABLE',
    async (world) => {
      const device = await world.newDevice();
      const { sharedKey } = world.device;
      const { request } = await device.opening({}, { sharedKey });
      return () => device.send(request);
    },
  ],
  ['a wrong password', 'CREDENTIALS_INVALID', opening({ password: 'wrong' })],
  ['no password', 'CREDENTIALS_INVALID', opening({ password: '' })],
  ['a user who does not exist', 'CREDENTIALS_INVALID', opening({ user: 'nobody' })],
  ['a user who is SQL', 'CREDENTIALS_INVALID', opening({ user: "anna' -- " })],
  [
    "another user, with that user's own password",
    'CREDENTIALS_INVALID',
    async (world) => {
      const strangers = await world.strangersDevice();
      const { credentials } = strangers;
      const device = await world.newDevice();
      const { request } = await device.opening(credentials);
      return () => device.send(request);
    },
  ],
  ['another app', 'CREDENTIALS_INVALID', opening({ app: { ...app, appId: 'com.example.other' } })],
  ['a password of 1,025 letters', 'INVALID_FIELD', opening({ password: 'p'.repeat(1025) })],
  ['no user', 'INVALID_FIELD', opening({ user: '' })],
  ['a share of 31 bytes', 'INVALID_FIELD', opening({ deviceShare: new Uint8Array(31) })],
  ['a share of 33 bytes', 'MALFORMED', opening({ deviceShare: new Uint8Array(33).fill(9) })],
  ['a share of low order', 'MALFORMED', opening({ deviceShare: new Uint8Array(32) })],
  ...[-6, 6].map(
    (minutes): Row => [
      `a clock ${minutes} minutes off: told the right time`,
      (answer) => {
        assert.equal(answer.reason, 'CLOCK_SKEW');
        const off = Number(answer.metadata.server_time_ms) - Date.now();
        assert.ok(Math.abs(off) < 60_000, `${off} ms`);
      },
      // By the clock of the moment in which it is sent: the table may have been made minutes before.
      (world) => opening({ timeMs: BigInt(Date.now() + minutes * 60_000) })(world),
    ],
  ),
  [
    'the same message twice: the same answer, and one session',
    (answer) => assert.equal(answer.code, 'OK'),
    async (world) => {
      const device = await world.newDevice();
      const { request } = await device.opening();
      const first = await device.send(request);
      await world.stored(device);
      return async () => {
        const second = await device.send(request);
        assert.deepEqual(second.messages, first.messages);
        return second;
      };
    },
  ],
  [
    'a sixth wrong password: even the right one has to wait, on that device alone',
    (answer) => {
      assert.equal(answer.reason, 'THROTTLED');
      assert.ok((answer.retryAfterMs ?? 0) > 0);
    },
    async (world) => {
      const device = await world.newDevice();
      for (let n = 0; n < 5; n++) {
        const wrong = await device.send((await device.opening({ password: `guess ${n}` })).request);
        assert.equal(wrong.reason, 'CREDENTIALS_INVALID');
      }
      const { request } = await device.opening();
      return () => device.send(request);
    },
  ],
];

export const handshakes: readonly Case[] = casesOf([...enrolments, ...openings]);
