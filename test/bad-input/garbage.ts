/** What can be done to any message without knowing what it says: garbage, cuts, turned bits. */
import assert from 'node:assert/strict';
import { type DescMessage, equals, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { ErrorReason } from '#core/errors/registry.ts';
import { AttachRequestSchema, ExchangeRequestSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import {
  EnrollRequestSchema,
  OpenSessionRequestSchema,
  RenewSessionRequestSchema,
} from '#gen/sallyport/session/v1/session_pb.js';
import type { Answer } from '../edge/answer.ts';
import { framed } from '../edge/edge-caller.ts';
import { codeOf, enrolling, keyStore, routed, serverKey, sessionService } from '../edge/hand-device.ts';
import { relay } from '../edge/hand-session.ts';
import { type Case, flipped } from './case.ts';
import type { World } from './world.ts';

interface Good {
  readonly path: string;
  readonly schema: DescMessage;
  readonly request: Message;
  readonly routeKey: string;
}

/** A method whose message is sealed, a good one, and what a damaged one may be called. */
interface Sealed {
  readonly name: string;
  readonly good: (world: World) => Promise<Good>;
  readonly damaged: readonly ErrorReason[];
}

const unreadable: readonly ErrorReason[] = ['MALFORMED', 'INVALID_FIELD'];
const ofHandshake: readonly ErrorReason[] = [
  ...unreadable,
  'UNKNOWN_SUITE',
  'UNKNOWN_SERVER_KEY',
  'UNSEALABLE',
];
const ofSession: readonly ErrorReason[] = [...unreadable, 'ROUTE_MISMATCH', 'SESSION_UNKNOWN', 'UNSEALABLE'];

const sealed: readonly Sealed[] = [
  {
    name: 'Enroll',
    damaged: ofHandshake,
    good: async (world) => {
      const code = codeOf(await world.activation());
      const { request } = await enrolling(await serverKey(world.caller), { code });
      return { path: `${sessionService}/Enroll`, schema: EnrollRequestSchema, request, routeKey: '' };
    },
  },
  {
    name: 'OpenSession',
    damaged: [...ofHandshake, 'ROUTE_MISMATCH'],
    // Of a device of its own: messages that do not open are counted by device.
    good: async (world) => {
      const device = await world.newDevice();
      const { request } = await device.opening();
      const { routeKey } = device;
      return { path: `${sessionService}/OpenSession`, schema: OpenSessionRequestSchema, request, routeKey };
    },
  },
  ...(['renew', 'close'] as const).map((kind) => ({
    name: kind === 'renew' ? 'RenewSession' : 'CloseSession',
    damaged: ofSession,
    good: async ({ session }: World) => ({
      path: `${sessionService}/${kind === 'renew' ? 'RenewSession' : 'CloseSession'}`,
      schema: RenewSessionRequestSchema,
      request: session.message(kind),
      routeKey: session.routeKey,
    }),
  })),
  {
    name: 'Attach',
    damaged: [...unreadable, 'ROUTE_MISMATCH', 'SESSION_UNKNOWN', 'ATTACH_PROOF_INVALID'],
    good: async ({ session }) => ({
      path: `${relay}/Attach`,
      schema: AttachRequestSchema,
      request: session.attaching(),
      routeKey: session.routeKey,
    }),
  },
  {
    name: 'Exchange',
    damaged: [...unreadable, 'ATTACH_REQUIRED', 'UNSEALABLE', 'REPLAYED'],
    good: async ({ good, session }) => ({
      path: `${relay}/Exchange`,
      schema: ExchangeRequestSchema,
      request: good.request(),
      routeKey: session.routeKey,
    }),
  },
];

/** Sends each of them, and is content with any of the reasons. */
async function each(
  world: World,
  { path, routeKey }: Good,
  messages: readonly Uint8Array[],
  reasons: readonly ErrorReason[],
): Promise<Answer> {
  let last: Answer | undefined;
  for (const message of messages) {
    last = await world.caller.call(path, message, routed(routeKey));
    assert.ok(
      reasons.some((reason) => reason === last?.reason),
      `${last.code} ${last.reason}: ${last.text} for ${Buffer.from(message).toString('hex')}`,
    );
  }
  assert.ok(last);
  return last;
}

/** The decoder is content with some wrong wire types; what reads as the good message is one. */
function readsAs({ schema, request }: Good, bytes: Uint8Array): boolean {
  try {
    return equals(schema, fromBinary(schema, bytes), request);
  } catch {
    // It reads as nothing at all.
    return false;
  }
}

const cuts = 8;
const turns = 16;

const ofSealed = ({ name, good, damaged }: Sealed): Case[] => [
  {
    name: `${name}, cut at ${cuts} places`,
    expect: () => undefined,
    make: async (world) => {
      const made = await good(world);
      const whole = toBinary(made.schema, made.request);
      const cut = Array.from({ length: cuts }, (_, n) =>
        whole.subarray(0, Math.floor(((whole.length - 1) * (n + 1)) / cuts)),
      );
      return () => each(world, made, cut, unreadable);
    },
  },
  {
    name: `${name}, with one bit turned, at ${turns} places`,
    expect: () => undefined,
    make: async (world) => {
      const made = await good(world);
      const whole = toBinary(made.schema, made.request);
      const spoilt = Array.from({ length: turns }, (_, n) =>
        flipped(whole, Math.floor((whole.length * n) / turns), n % 8),
      ).filter((bytes) => !readsAs(made, bytes));
      return () => each(world, made, spoilt, damaged);
    },
  },
];

/** Every method that a phone may call. */
const methods = [
  ...['Enroll', 'OpenSession', 'RenewSession', 'CloseSession', 'Login', 'Logout', 'GetSession'].map(
    (method) => `${sessionService}/${method}`,
  ),
  ...['GetServerKeys', 'GetJwks'].map((method) => `${keyStore}/${method}`),
  ...['Attach', 'Exchange', 'Stream'].map((method) => `${relay}/${method}`),
];

const nameOf = (path: string): string => path.split('/').at(-1) ?? path;

/** An end of group without its beginning, and a field whose length is beyond the end. */
const noProtobuf = [Uint8Array.of(0xff, 0xff), Uint8Array.of(0x0a, 0x7f, 1), Uint8Array.of(0x0c)];

export const garbage: readonly Case[] = [
  ...methods.flatMap((path): Case[] => [
    ...noProtobuf.map(
      (bytes): Case => ({
        name: `${nameOf(path)}: ${Buffer.from(bytes).toString('hex')} is no protobuf`,
        expect: 'MALFORMED',
        make: (world) => () => world.caller.call(path, bytes),
      }),
    ),
    {
      name: `${nameOf(path)}: a message that ends before its length`,
      expect: ({ code }) => assert.ok(code !== 'OK' && code !== undefined, code),
      make: (world) => () => world.caller.send(path, [framed(new Uint8Array(4), 0, 400)]),
    },
    {
      name: `${nameOf(path)}: a message flagged as compressed, of no named compression`,
      expect: ({ code }) => assert.ok(code !== 'OK' && code !== undefined, code),
      make: (world) => () => world.caller.send(path, [framed(new Uint8Array(4), 1)]),
    },
  ]),
  ...sealed.flatMap(ofSealed),
];
