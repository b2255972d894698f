/** Relay.Stream: what breaks its rules ends it, and only it. */
import assert from 'node:assert/strict';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { StreamMessage } from '#core/channel/multiplex/messages.ts';
import { encodeBatch, encodeStreamMessage } from '#core/channel/multiplex/stream-codec.ts';
import { StreamRequestSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import { framed } from '../edge/edge-caller.ts';
import { routed } from '../edge/hand-device.ts';
import { type HandAttachment, relay } from '../edge/hand-session.ts';
import { type Case, casesOf, changedLetter, type Expected, flipped } from './case.ts';

type Row = readonly [name: string, expect: Expected, make: Case['make']];
type Kind = MessageInitShape<typeof StreamRequestSchema>['kind'];

const message = (kind?: Kind): Buffer =>
  framed(toBinary(StreamRequestSchema, create(StreamRequestSchema, kind === undefined ? {} : { kind })));

const open = ({ session, epoch }: HandAttachment): Buffer =>
  message({ case: 'open', value: { sessionId: session.id, epoch } });

function sealed(attachment: HandAttachment, plaintext: Uint8Array): Buffer {
  const { sequence, ciphertext } = attachment.sealer.sealStream(plaintext);
  return message({ case: 'frame', value: { sequence: BigInt(sequence), ciphertext } });
}

const says = (attachment: HandAttachment, said: StreamMessage): Buffer =>
  sealed(attachment, encodeStreamMessage(said));

const head = (requestId: number, path = '/echo', method = 'POST'): StreamMessage => ({
  requestId,
  kind: 'requestHead',
  head: { method, authority: 'intranet.example', path, headers: [] },
});

/** On an attachment of its own, since that carries one stream; the server is to end it. */
const stream =
  (pieces: (attachment: HandAttachment) => readonly Uint8Array[]): Case['make'] =>
  async (world) => {
    const attachment = await (await world.newSession()).attach();
    const { routeKey } = attachment.session;
    return () =>
      world.caller.send(`${relay}/Stream`, pieces(attachment), { ...routed(routeKey), open: true });
  };

const begins: readonly Row[] = [
  ['an empty first message', 'INVALID_FIELD', stream(() => [message()])],
  ['a frame first', 'MALFORMED', stream((a) => [says(a, head(1))])],
  [
    'an epoch of 15 bytes',
    'INVALID_FIELD',
    stream(({ session, epoch }) => [
      message({ case: 'open', value: { sessionId: session.id, epoch: epoch.subarray(1) } }),
    ]),
  ],
  [
    'an epoch of nobody',
    'ATTACH_REQUIRED',
    stream(({ session, epoch }) => [
      message({ case: 'open', value: { sessionId: session.id, epoch: flipped(epoch, -1) } }),
    ]),
  ],
  [
    "another session's id",
    'ATTACH_REQUIRED',
    stream(({ session, epoch }) => [
      message({ case: 'open', value: { sessionId: changedLetter(session.id, -5), epoch } }),
    ]),
  ],
  ['opened twice', 'MALFORMED', stream((a) => [open(a), open(a)])],
  [
    'a second stream under one attachment',
    'ATTACH_REQUIRED',
    async (world) => {
      const attachment = await (await world.newSession()).attach();
      const options = routed(attachment.session.routeKey);
      await world.caller.send(`${relay}/Stream`, [open(attachment)], options);
      return () => world.caller.send(`${relay}/Stream`, [open(attachment)], { ...options, open: true });
    },
  ],
];

const framesOf: readonly Row[] = [
  [
    'a frame that nobody has sealed',
    'UNSEALABLE',
    stream((a) => [
      open(a),
      message({ case: 'frame', value: { sequence: 0n, ciphertext: new Uint8Array(40) } }),
    ]),
  ],
  [
    'a frame of 1,114,113 bytes',
    'INVALID_FIELD',
    stream((a) => [
      open(a),
      message({ case: 'frame', value: { sequence: 0n, ciphertext: new Uint8Array(1_114_113) } }),
    ]),
  ],
  [
    'a message of 5 MiB',
    'TOO_LARGE',
    stream((a) => [
      open(a),
      message({ case: 'frame', value: { sequence: 0n, ciphertext: new Uint8Array(5 * 2 ** 20) } }),
    ]),
  ],
  [
    'a frame twice',
    'REPLAYED',
    stream((a) => {
      const frame = says(a, head(1));
      return [open(a), frame, frame];
    }),
  ],
  [
    'a frame left out',
    'UNSEALABLE',
    stream((a) => {
      const [first, , third] = [head(1), head(2), head(3)].map((each) => says(a, each));
      return [open(a), first ?? assert.fail(), third ?? assert.fail()];
    }),
  ],
  [
    'two frames in the wrong order',
    'UNSEALABLE',
    stream((a) => {
      const [first, second] = [head(1), head(2)].map((each) => says(a, each));
      return [open(a), second ?? assert.fail(), first ?? assert.fail()];
    }),
  ],
  [
    'an Exchange frame on a stream',
    'UNSEALABLE',
    stream((a) => {
      const { sequence, ciphertext } = a.sealer.sealRequest(encodeStreamMessage(head(1)));
      return [open(a), message({ case: 'frame', value: { sequence: BigInt(sequence), ciphertext } })];
    }),
  ],
  [
    'a plaintext that is no protobuf',
    'MALFORMED',
    stream((a) => [open(a), sealed(a, Uint8Array.of(0xff, 0xff))]),
  ],
  ['an empty plaintext', 'MALFORMED', stream((a) => [open(a), sealed(a, new Uint8Array())])],
  ['a batch of nothing', 'MALFORMED', stream((a) => [open(a), sealed(a, encodeBatch([]))])],
  ['a batch in a batch', 'MALFORMED', stream((a) => [open(a), sealed(a, encodeBatch([encodeBatch([])]))])],
  [
    'a batch of 4,097 messages',
    'MALFORMED',
    stream((a) => [open(a), sealed(a, encodeBatch(Array(4097).fill(encodeStreamMessage(head(1)))))]),
  ],
  [
    'a batch with a breach of the rules behind a good message',
    'MALFORMED',
    stream((a) => [open(a), sealed(a, encodeBatch([head(2), head(1)].map(encodeStreamMessage)))]),
  ],
];

/** Messages, each of which the rules of section 8 of docs/PROTOCOL.md forbid there. */
const breaches: Readonly<Record<string, readonly StreamMessage[]>> = {
  'request 0': [head(0)],
  'a number that is not higher than all before': [head(5), head(4)],
  'the same request twice': [head(1), head(1)],
  'a body without a head': [{ requestId: 1, kind: 'data', data: new Uint8Array(10) }],
  'an empty piece of a body': [head(1), { requestId: 1, kind: 'data', data: new Uint8Array() }],
  'a piece of more than 32 KiB': [head(1), { requestId: 1, kind: 'data', data: new Uint8Array(32_769) }],
  'a body after its end': [
    head(1),
    { requestId: 1, kind: 'end' },
    { requestId: 1, kind: 'data', data: new Uint8Array(10) },
  ],
  'no credit': [head(1), { requestId: 1, kind: 'credit', credit: 0 }],
  'more than 16 MiB of credit': [head(1), { requestId: 1, kind: 'credit', credit: 16 * 2 ** 20 + 1 }],
  'a response from the device': [
    head(1),
    { requestId: 1, kind: 'responseHead', head: { status: 200, headers: [] } },
  ],
};

const rules: readonly Row[] = Object.entries(breaches).map(
  ([name, said]): Row => [name, 'MALFORMED', stream((a) => [open(a), ...said.map((each) => says(a, each))])],
);

export const streams: readonly Case[] = casesOf([...begins, ...framesOf, ...rules]);
