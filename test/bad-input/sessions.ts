/** RenewSession, CloseSession, StepUp and Attach: one thing wrong at a time, and sessions that are over. */
import assert from 'node:assert/strict';
import { create, fromBinary } from '@bufbuild/protobuf';
import type { SessionMessageKind } from '#core/channel/session-message.ts';
import { type AttachRequest, AttachResponseSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import {
  RenewSessionRequestSchema,
  RevokeWait,
  type SessionSealed,
} from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { goodMessage, routed } from '../edge/hand-device.ts';
import type { HandAttachment } from '../edge/hand-session.ts';
import { type Case, casesOf, change, changedLetter, type Expected, flipped, spots } from './case.ts';
import type { World } from './world.ts';

type Row = readonly [name: string, expect: Expected, make: Case['make']];

const otherRoute = 'AAAAAAAAAAAAAAAAAAAAAA';

/** Session ids that are not the session's, and what becomes of them. */
const wrongIds: readonly (readonly [string, Expected, (id: string) => string])[] = [
  ['a session id of 39 letters', 'INVALID_FIELD', (id) => id.slice(0, 39)],
  ['a session id of 161 letters', 'INVALID_FIELD', (id) => id.padEnd(161, 'A')],
  ['60 letters that are no session id', 'MALFORMED', () => 'x'.repeat(60)],
  ['a session id with a fifth part', 'MALFORMED', (id) => `${id}.A`],
  ['a session id with a wrong MAC', 'SESSION_UNKNOWN', (id) => changedLetter(id, -10)],
  ['a session id with another opener', 'SESSION_UNKNOWN', (id) => id.replace('.sec-', '.sex-')],
  ['a session id of another route key', 'ROUTE_MISMATCH', (id) => otherRoute + id.slice(22)],
];

const spoiled: readonly (readonly [string, Expected, (sealed: SessionSealed) => Partial<SessionSealed>])[] = [
  ...wrongIds.map(([name, expect, of]): (typeof spoiled)[number] => [
    name,
    expect,
    ({ sessionId }) => ({ sessionId: of(sessionId) }),
  ]),
  ['a nonce of 31 bytes', 'INVALID_FIELD', (s) => ({ nonce: s.nonce.subarray(1) })],
  ['another nonce', 'UNSEALABLE', () => ({ nonce: channelCrypto.randomBytes(32) })],
  ['15 bytes of ciphertext', 'INVALID_FIELD', () => ({ ciphertext: new Uint8Array(15) })],
  ['12,289 bytes of ciphertext', 'INVALID_FIELD', () => ({ ciphertext: new Uint8Array(12_289) })],
  ['a ciphertext without its end', 'UNSEALABLE', (s) => ({ ciphertext: s.ciphertext.subarray(0, -1) })],
  ...[0, 1, 2].map((n): (typeof spoiled)[number] => [
    `a turned bit in the ciphertext (${n})`,
    'UNSEALABLE',
    (s) => ({ ciphertext: flipped(s.ciphertext, spots(s.ciphertext)[n] ?? 0) }),
  ]),
];

const other: Readonly<Record<SessionMessageKind, SessionMessageKind>> = {
  ...{ renew: 'close', close: 'renew', stepUp: 'renew' },
};

const tooLong = (kind: SessionMessageKind): Row => [
  `${kind} with 1,025 bytes of ciphertext`,
  'INVALID_FIELD',
  ({ session }) => {
    const request = session.message(kind);
    change(request.sealed, () => ({ ciphertext: new Uint8Array(1025) }));
    return () => session.sendMessage(kind, request);
  },
];

const messages = (kind: SessionMessageKind): Row[] => [
  ...(kind === 'stepUp' ? [] : [tooLong(kind)]),
  ...spoiled.map(
    ([name, expect, spoil]): Row => [
      `${kind} with ${name}`,
      expect,
      ({ session }) => {
        const request = session.message(kind);
        change(request.sealed, spoil);
        return () => session.sendMessage(kind, request);
      },
    ],
  ),
  [
    `${kind} without its message`,
    'INVALID_FIELD',
    ({ session }) =>
      () =>
        session.sendMessage(kind, create(RenewSessionRequestSchema)),
  ],
  [
    `${kind} with the message of a ${other[kind]}`,
    'UNSEALABLE',
    ({ session }) =>
      () =>
        session.sendMessage(kind, session.message(other[kind])),
  ],
  [
    `${kind} under another session's key`,
    'UNSEALABLE',
    async (world) => {
      const { key } = await world.newSession();
      return () => world.session.sendMessage(kind, world.session.message(kind, Date.now(), key));
    },
  ],
  [
    `${kind} from six minutes ago`,
    'CLOCK_SKEW',
    ({ session }) =>
      () =>
        session.sendMessage(kind, session.message(kind, Date.now() - 360_000)),
  ],
  [
    `${kind} without a route header`,
    'ROUTE_MISMATCH',
    ({ session }) =>
      () =>
        session.sendMessage(kind, session.message(kind), {}),
  ],
  [
    `${kind} with another route header`,
    'ROUTE_MISMATCH',
    ({ session }) =>
      () =>
        session.sendMessage(kind, session.message(kind), routed(otherRoute)),
  ],
];

const spoiledAttach: readonly (readonly [string, Expected, (a: AttachRequest) => Partial<AttachRequest>])[] =
  [
    ...wrongIds.map(([name, expect, of]): (typeof spoiledAttach)[number] => [
      name,
      expect,
      ({ sessionId }) => ({ sessionId: of(sessionId) }),
    ]),
    ['a nonce of 31 bytes', 'INVALID_FIELD', (a) => ({ deviceNonce: a.deviceNonce.subarray(1) })],
    ['another nonce', 'ATTACH_PROOF_INVALID', () => ({ deviceNonce: channelCrypto.randomBytes(32) })],
    ['a proof of 33 bytes', 'INVALID_FIELD', (a) => ({ proof: Uint8Array.of(...a.proof, 0) })],
    ['a proof of zeros', 'ATTACH_PROOF_INVALID', () => ({ proof: new Uint8Array(32) })],
    ...[0, 1, 2].map((n): (typeof spoiledAttach)[number] => [
      `a turned bit in the proof (${n})`,
      'ATTACH_PROOF_INVALID',
      (a) => ({ proof: flipped(a.proof, spots(a.proof)[n] ?? 0) }),
    ]),
  ];

const attaches: readonly Row[] = [
  ...spoiledAttach.map(
    ([name, expect, spoil]): Row => [
      `Attach with ${name}`,
      expect,
      ({ session }) => {
        const request = session.attaching();
        change(request, spoil);
        return () => session.sendAttach(request);
      },
    ],
  ),
  [
    'Attach by the key of another session',
    'ATTACH_PROOF_INVALID',
    async (world) => {
      const { key } = await world.newSession();
      return () => world.session.sendAttach(world.session.attaching(key));
    },
  ],
  [
    'Attach without a route header',
    'ROUTE_MISMATCH',
    ({ session }) =>
      () =>
        session.sendAttach(session.attaching(), {}),
  ],
  [
    'Attach repeated by somebody else: another epoch, whose keys he does not have',
    (answer) => assert.equal(answer.code, 'OK'),
    async (world) => {
      const session = await world.newSession();
      const request = session.attaching();
      const first = fromBinary(AttachResponseSchema, goodMessage(await session.sendAttach(request)));
      return async () => {
        const answer = await session.sendAttach(request);
        const { epoch, serverNonce } = fromBinary(AttachResponseSchema, goodMessage(answer));
        assert.notDeepEqual(epoch, first.epoch);
        assert.notDeepEqual(serverNonce, first.serverNonce);
        return answer;
      };
    },
  ],
];

/** Ways in which a session ends, each leaving an attachment of it. */
const endings: Readonly<Record<string, (world: World) => Promise<HandAttachment>>> = {
  closed: async (world) => {
    const session = await world.newSession();
    const attachment = await session.attach();
    goodMessage(await session.sendMessage('close', session.message('close')));
    return attachment;
  },
  revoked: async (world) => {
    const session = await world.newSession();
    const attachment = await session.attach();
    await revoke(world, session.id);
    return attachment;
  },
  'without its enrolment': async (world) => {
    const device = await world.newDevice();
    const session = await world.newSession(device);
    const attachment = await session.attach();
    await world.operator.keys.revokeSharedKey({ routeKey: device.routeKey });
    return attachment;
  },
};

async function revoke({ operator }: World, session: string): Promise<void> {
  const { everywhere } = await operator.sessions.revokeSessions(
    { subject: { case: 'session', value: session }, reason: 'a test', wait: RevokeWait.FLEET },
    { deadlineMs: Date.now() + 30_000 },
  );
  assert.ok(everywhere);
}

const over: Expected = ['SESSION_REVOKED', 'SESSION_UNKNOWN', 'ENROLMENT_REVOKED'];

const ended: readonly Row[] = [
  ...Object.entries(endings).flatMap(([how, end]): Row[] => [
    ...(['renew', 'close'] as const).map(
      (kind): Row => [
        `${kind} of a session that is ${how}`,
        over,
        async (world) => {
          const { session } = await end(world);
          return () => session.sendMessage(kind, session.message(kind));
        },
      ],
    ),
    [
      `Attach to a session that is ${how}`,
      over,
      async (world) => {
        const { session } = await end(world);
        return () => session.sendAttach(session.attaching());
      },
    ],
  ]),
  [
    'a frame of a session that is revoked everywhere',
    [...over, 'ATTACH_REQUIRED'],
    async (world) => {
      const attachment = await endings.revoked?.(world);
      assert.ok(attachment);
      return () => attachment.send(attachment.request());
    },
  ],
  [
    'OpenSession of a revoked enrolment',
    'ENROLMENT_REVOKED',
    async (world) => {
      const device = await world.newDevice();
      await world.operator.keys.revokeSharedKey({ routeKey: device.routeKey });
      const { request } = await device.opening();
      return () => device.send(request);
    },
  ],
];

export const sessions: readonly Case[] = casesOf([
  ...messages('renew'),
  ...messages('close'),
  ...messages('stepUp'),
  [
    'stepUp that shows nothing',
    'CREDENTIALS_INVALID',
    ({ session }) =>
      () =>
        session.sendMessage('stepUp', session.message('stepUp')),
  ],
  ...attaches,
  ...ended,
]);
