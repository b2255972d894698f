/** Exchange: frames that nobody has sealed, or not for here and now. */
import assert from 'node:assert/strict';
import { toBinary } from '@bufbuild/protobuf';
import { maxSequence } from '#core/channel/constants.ts';
import type { SallyportError } from '#core/errors/error.ts';
import { type ExchangeRequest, ExchangeRequestSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import { relay } from '../edge/hand-session.ts';
import { type Case, casesOf, change, changedLetter, type Expected, flipped, spots } from './case.ts';

type Row = readonly [name: string, expect: Expected, make: Case['make']];

/** Done to a good message under the world's own attachment, which is to be good afterwards. */
const spoiled: readonly (readonly [
  string,
  Expected,
  (request: ExchangeRequest) => Partial<ExchangeRequest>,
])[] = [
  ['another session id', 'ATTACH_REQUIRED', (r) => ({ sessionId: changedLetter(r.sessionId, -10) })],
  ['a session id that is none', 'ATTACH_REQUIRED', () => ({ sessionId: 'x'.repeat(60) })],
  ['a session id of 39 letters', 'INVALID_FIELD', () => ({ sessionId: 'x'.repeat(39) })],
  ['an epoch of 15 bytes', 'INVALID_FIELD', (r) => ({ epoch: r.epoch.subarray(1) })],
  ['an epoch of zeros', 'ATTACH_REQUIRED', () => ({ epoch: new Uint8Array(16) })],
  ...[0, 7, 15].map((at): (typeof spoiled)[number] => [
    `a turned bit in byte ${at} of the epoch`,
    'ATTACH_REQUIRED',
    (r) => ({ epoch: flipped(r.epoch, at) }),
  ]),
];

const spoiledFrame: readonly (readonly [
  string,
  Expected,
  (frame: NonNullable<ExchangeRequest['frame']>) => Partial<NonNullable<ExchangeRequest['frame']>>,
])[] = [
  ['the number of the next frame', 'UNSEALABLE', (f) => ({ sequence: f.sequence + 1n })],
  ['a far number', 'UNSEALABLE', (f) => ({ sequence: f.sequence + 100_000n })],
  ['the last number', 'UNSEALABLE', () => ({ sequence: BigInt(maxSequence) - 1n })],
  ['a number beyond the last', 'UNSEALABLE', () => ({ sequence: BigInt(maxSequence) })],
  ['the largest number of 64 bits', 'UNSEALABLE', () => ({ sequence: 2n ** 64n - 1n })],
  ['15 bytes of ciphertext', 'INVALID_FIELD', () => ({ ciphertext: new Uint8Array(15) })],
  ['a tag only', 'UNSEALABLE', (f) => ({ ciphertext: f.ciphertext.subarray(-16) })],
  ['a ciphertext without its end', 'UNSEALABLE', (f) => ({ ciphertext: f.ciphertext.subarray(0, -1) })],
  ['a ciphertext that goes on', 'UNSEALABLE', (f) => ({ ciphertext: Uint8Array.of(...f.ciphertext, 0) })],
  ['1,114,113 bytes of ciphertext', 'INVALID_FIELD', () => ({ ciphertext: new Uint8Array(1_114_113) })],
  ['1,114,112 bytes that do not open', 'UNSEALABLE', () => ({ ciphertext: new Uint8Array(1_114_112) })],
  ...[0, 1, 2].map((n): (typeof spoiledFrame)[number] => [
    `a turned bit in the ciphertext (${n})`,
    'UNSEALABLE',
    (f) => ({ ciphertext: flipped(f.ciphertext, spots(f.ciphertext)[n] ?? 0) }),
  ]),
];

const edits: readonly Row[] = [
  ...spoiled.map(
    ([name, expect, spoil]): Row => [
      `a message with ${name}`,
      expect,
      ({ good }) => {
        const request = good.request();
        change(request, spoil);
        return () => good.send(request);
      },
    ],
  ),
  ...spoiledFrame.map(
    ([name, expect, spoil]): Row => [
      `a frame with ${name}`,
      expect,
      ({ good }) => {
        const request = good.request();
        change(request.frame, spoil);
        return () => good.send(request);
      },
    ],
  ),
];

const numbers: readonly Row[] = [
  [
    'a frame that was taken already',
    'REPLAYED',
    async ({ good }) => {
      const request = good.request();
      good.inside(request, await good.send(request));
      return () => good.send(request);
    },
  ],
  [
    'one frame twice at once: taken once',
    ({ reason }) => assert.equal(reason, 'REPLAYED'),
    ({ good }) =>
      async () => {
        const request = good.request();
        const answers = await Promise.all([1, 2, 3].map(() => good.send(request)));
        const refused = answers.filter(({ code }) => code !== 'OK');
        assert.deepEqual(
          refused.map(({ reason }) => reason),
          ['REPLAYED', 'REPLAYED'],
        );
        return refused[0] ?? assert.fail();
      },
  ],
  [
    'a frame that is older than the window',
    'REPLAYED',
    async (world) => {
      const attachment = await (await world.newSession()).attach();
      const late = attachment.request();
      const far = attachment.request({}, undefined, attachment.sealerFrom(5000));
      assert.equal(attachment.inside(far, await attachment.send(far)).head?.status, 200);
      return () => attachment.send(late);
    },
  ],
  [
    'the last frame that a key may seal: taken; the device can seal none after it',
    ({ code }) => assert.equal(code, 'OK'),
    async (world) => {
      const attachment = await (await world.newSession()).attach();
      const sealer = attachment.sealerFrom(maxSequence - 1);
      const last = attachment.request({}, undefined, sealer);
      assert.throws(
        () => attachment.request({}, undefined, sealer),
        (error: SallyportError) => error.reason === 'SEQUENCE_EXHAUSTED',
      );
      return () => attachment.send(last);
    },
  ],
];

const elsewhere: readonly Row[] = [
  [
    'the epoch of another session',
    'ATTACH_REQUIRED',
    async (world) => {
      const { epoch } = await (await world.newSession()).attach();
      const request = world.good.request();
      change(request, () => ({ epoch }));
      return () => world.good.send(request);
    },
  ],
  [
    'a frame of another attachment of the same session',
    ['UNSEALABLE', 'ATTACH_REQUIRED'],
    async (world) => {
      const session = await world.newSession();
      const [one, two] = [await session.attach(), await session.attach()];
      const request = one.request();
      change(request, () => ({ epoch: two.epoch }));
      return () => two.send(request);
    },
  ],
  [
    'a frame under the key of the other direction',
    'UNSEALABLE',
    ({ good }) => {
      const request = good.request();
      const { proxyToDevice } = good.keys;
      const sealed = good
        .sealerFrom(Number(request.frame?.sequence), proxyToDevice)
        .sealRequest(new Uint8Array(40));
      change(request.frame, () => ({ ciphertext: sealed.ciphertext }));
      return () => good.send(request);
    },
  ],
  ...(['sealResponse', 'sealStream'] as const).map(
    (as): Row => [
      `a frame of another type (${as})`,
      'UNSEALABLE',
      ({ good }) => {
        const request = good.request();
        const sequence = Number(request.frame?.sequence);
        const sealer = good.sealerFrom(sequence);
        const plain = new Uint8Array(40);
        const sealed = as === 'sealStream' ? sealer.sealStream(plain) : sealer.sealResponse(sequence, plain);
        change(request.frame, () => ({ ciphertext: sealed.ciphertext }));
        return () => good.send(request);
      },
    ],
  ),
  [
    'a message of more than the edge lets in, which the proxy may be the first to say',
    ({ code }) => assert.equal(code, 'RESOURCE_EXHAUSTED'),
    ({ good, caller }) => {
      const request = good.request();
      change(request.frame, () => ({ ciphertext: new Uint8Array(5 * 2 ** 20) }));
      return () => caller.call(`${relay}/Exchange`, toBinary(ExchangeRequestSchema, request));
    },
  ],
];

export const frames: readonly Case[] = casesOf([...edits, ...numbers, ...elsewhere]);
