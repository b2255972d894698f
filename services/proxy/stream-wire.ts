/**
 * The messages of Relay.Stream as bytes. A frame, which all but the first of them are, is read and written here by
 * hand: its ciphertext is sealed where it will be sent from. Whatever else comes goes the way of other calls.
 */
import type { FrameSealer } from '#core/channel/frame.ts';
import { varintLength, writeVarint } from '#core/channel/multiplex/stream-writer.ts';
import { type StreamRequest, StreamRequestSchema } from '#gen/sallyport/relay/v1/relay_pb.js';
import { readRequest } from '#kernel/rpc/validate.ts';

const tagBytes = 16;
/** Of `sallyport.relay.v1.Frame`, as in the contract. */
const maxCiphertext = 1_114_112;
/** Tag and length of StreamResponse.frame, of Frame.sequence (2^48 at most) and of Frame.ciphertext. */
const maxHeader = 1 + 5 + 1 + 7 + 1 + 5;

/** Seals a plaintext as the next frame of the stream: a whole `StreamResponse`. Throws as `FrameSealer`. */
export function sealedResponse(sealer: FrameSealer, plaintext: Uint8Array): Uint8Array {
  const length = plaintext.length + tagBytes;
  const bytes = Buffer.allocUnsafe(maxHeader + length);
  const sequence = sealer.sealStreamInto(bytes.subarray(maxHeader), plaintext);
  const sequenceLength = sequence === 0 ? 0 : 1 + longVarintLength(sequence);
  const frameLength = sequenceLength + 1 + varintLength(length) + length;
  const start = maxHeader - (frameLength - length) - varintLength(frameLength) - 1;
  bytes[start] = 0x0a;
  let at = writeVarint(bytes, start + 1, frameLength);
  if (sequence > 0) {
    bytes[at] = 0x08;
    at = writeLongVarint(bytes, at + 1, sequence);
  }
  bytes[at] = 0x12;
  writeVarint(bytes, at + 1, length);
  return bytes.subarray(start);
}

/** A frame, or what else the device says. */
export type StreamSaying =
  | { readonly kind: 'frame'; readonly sequence: number | bigint; readonly ciphertext: Uint8Array }
  | { readonly kind: 'open'; readonly open: Extract<StreamRequest['kind'], { case: 'open' }>['value'] };

/** Reads a `StreamRequest`. @throws MALFORMED, INVALID_FIELD */
export function readStreamRequest(bytes: Uint8Array): StreamSaying {
  const frame = readFrame(bytes);
  if (frame !== undefined) return frame;
  const { kind } = readRequest(StreamRequestSchema, bytes) as StreamRequest;
  if (kind.case === 'open') return { kind: 'open', open: kind.value };
  const { sequence, ciphertext } = kind.value as Extract<StreamRequest['kind'], { case: 'frame' }>['value'];
  return { kind: 'frame', sequence, ciphertext };
}

/** A frame as any library writes it, within the contract; undefined for what has to be looked at more closely. */
function readFrame(bytes: Uint8Array): StreamSaying | undefined {
  const place = { at: 0 };
  if (bytes[place.at++] !== 0x12 || readVarint(bytes, place) !== bytes.length - place.at) return undefined;
  let sequence = 0;
  if (bytes[place.at] === 0x08) {
    place.at++;
    sequence = readVarint(bytes, place);
  }
  if (bytes[place.at++] !== 0x12) return undefined;
  const length = readVarint(bytes, place);
  const { at } = place;
  if (length !== bytes.length - at || length < tagBytes || length > maxCiphertext) return undefined;
  if (!Number.isSafeInteger(sequence)) return undefined;
  return { kind: 'frame', sequence, ciphertext: new Uint8Array(bytes.buffer, bytes.byteOffset + at, length) };
}

/** NaN when it does not end here, or is beyond 2^53. */
function readVarint(bytes: Uint8Array, place: { at: number }): number {
  let value = 0;
  for (let factor = 1; factor < 2 ** 56; factor *= 128) {
    const byte = bytes[place.at++];
    if (byte === undefined) break;
    value += (byte & 0x7f) * factor;
    if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
  }
  return Number.NaN;
}

function longVarintLength(value: number): number {
  let length = 1;
  for (let left = value; left >= 128; left = Math.floor(left / 128)) length++;
  return length;
}

function writeLongVarint(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) bytes[at++] = (left % 128) | 0x80;
  bytes[at++] = left;
  return at;
}
