/**
 * Answers as bytes. What an answer says hardly ever changes from one request of a session to the next, so its parts
 * are kept as they go out, with the objects they were made of; a spec holds them against the general writer.
 */
import { create, toBinary } from '@bufbuild/protobuf';
import type { Grant } from '#core/policy/grant.ts';
import {
  AuthorizeAnswerSchema,
  AuthorizeResponseSchema,
  AuthorizeStreamResponseSchema,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { Encoded, type LateBytes } from '#kernel/rpc/encoded.ts';
import type { SessionRecord } from '../session/record.ts';
import type { Assertion } from './assertions.ts';
import { type Decided, wireGrant } from './grant.ts';
import type { GiveLease } from './leases.ts';

type LeaseInit = ReturnType<GiveLease>;
type LeaseTerms = Pick<LeaseInit, 'durationMs' | 'policyVersion' | 'feedPosition'>;

/** An AuthorizeResponse in two pieces, each with its tag: protobuf joins by concatenation. */
export interface AnswerBytes {
  readonly grant: Uint8Array;
  readonly lease: Uint8Array;
}

interface KeptGrant {
  readonly assertion: Assertion | undefined;
  readonly backend: string;
  readonly gateway: string | undefined;
  readonly bytes: Uint8Array;
}
interface KeptLease {
  readonly terms: LeaseTerms;
  readonly bytes: Uint8Array;
}

const none = new Uint8Array(0);
/** Of allowed requests: decisions give the same object again while it is the same grant. */
const keptGrants = new WeakMap<Grant, KeptGrant>();
const keptLeases = new WeakMap<SessionRecord, KeptLease>();

export function grantBytes(decided: Decided): Uint8Array {
  const { grant, resource, assertion, gateway } = decided;
  const backend = resource?.backend ?? '';
  const kept = keptGrants.get(grant);
  const isSame = kept?.assertion === assertion && kept?.backend === backend && kept?.gateway === gateway;
  if (kept !== undefined && isSame) return kept.bytes;
  const bytes = toBinary(
    AuthorizeResponseSchema,
    create(AuthorizeResponseSchema, { grant: wireGrant(decided) }),
  );
  // One that denies is made for each request.
  if (grant.allow) keptGrants.set(grant, { assertion, backend, gateway, bytes });
  return bytes;
}

export function leaseBytes(record: SessionRecord, lease: LeaseInit | undefined): Uint8Array {
  if (lease === undefined) return none;
  const kept = keptLeases.get(record);
  if (kept !== undefined && sameTerms(kept.terms, lease)) return kept.bytes;
  const bytes = toBinary(AuthorizeResponseSchema, create(AuthorizeResponseSchema, { lease }));
  const { durationMs, policyVersion, feedPosition } = lease;
  keptLeases.set(record, { terms: { durationMs, policyVersion, feedPosition }, bytes });
  return bytes;
}

/** Its other fields are the record's, or this pod's. */
function sameTerms(a: LeaseTerms, b: LeaseTerms): boolean {
  return (
    a.durationMs === b.durationMs && a.policyVersion === b.policyVersion && a.feedPosition === b.feedPosition
  );
}

/** By the pieces that are kept: as long as they are the same, so is what they make together. */
const keptResponses = new WeakMap<
  Uint8Array,
  { readonly grant: Uint8Array; readonly response: ResponseBytes }
>();
type ResponseBytes = Encoded<typeof AuthorizeResponseSchema>;

/** The response to Authorize. */
export function encodeResponse({ grant, lease }: AnswerBytes): ResponseBytes {
  const kept = keptResponses.get(lease);
  if (kept !== undefined && kept.grant === grant) return kept.response;
  const bytes = Buffer.allocUnsafe(grant.length + lease.length);
  bytes.set(grant, 0);
  bytes.set(lease, grant.length);
  const response = new Encoded(AuthorizeResponseSchema, bytes);
  // Without a lease there is nothing that stands for the session.
  if (lease !== none) keptResponses.set(lease, { grant, response });
  return response;
}

const lengthOf = (field: number): number => (field << 3) | 2;
const numberOf = (field: number): number => field << 3;
/** Of any field here. */
const tagLength = 1;

/** Puts several answers into one message of AuthorizeStream, which is written when it is sent. */
export class AnswersWriter implements LateBytes {
  readonly #name: Buffer;
  readonly #answers: Part[] = [];
  #length: number;

  constructor(pod: string) {
    this.#name = Buffer.from(pod);
    this.#length = fieldLength(this.#name.length);
  }

  get count(): number {
    return this.#answers.length;
  }

  /** Of the message. Bytes. */
  get length(): number {
    return this.#length;
  }

  add(id: bigint, { grant, lease }: AnswerBytes): void {
    const response = grant.length + lease.length;
    this.#put({ id, grant, lease, length: tagLength + varintLength(id) + fieldLength(response) });
  }

  fail(id: bigint, errorReason: string): void {
    const answer = { id, result: { case: 'errorReason' as const, value: errorReason } };
    const bytes = toBinary(AuthorizeAnswerSchema, create(AuthorizeAnswerSchema, answer));
    this.#put({ bytes, length: bytes.length });
  }

  #put(part: Part): void {
    this.#answers.push(part);
    this.#length += fieldLength(part.length);
  }

  /** The message; nothing is added afterwards. */
  finish(): Encoded<typeof AuthorizeStreamResponseSchema> {
    return new Encoded(AuthorizeStreamResponseSchema, this);
  }

  writeTo(into: Buffer): void {
    let at = begin(into, 0, lengthOf(4), this.#name.length);
    into.set(this.#name, at);
    at += this.#name.length;
    for (const part of this.#answers) {
      at = begin(into, at, lengthOf(5), part.length);
      if (part.id === undefined) {
        into.set(part.bytes, at);
        at += part.length;
        continue;
      }
      const { id, grant, lease } = part;
      at = begin(into, at, numberOf(1), id);
      at = begin(into, at, lengthOf(2), grant.length + lease.length);
      into.set(grant, at);
      into.set(lease, at + grant.length);
      at += grant.length + lease.length;
    }
  }
}

/** An AuthorizeAnswer; `length` of the whole, bytes. */
type Part =
  | (AnswerBytes & { readonly id: bigint; readonly length: number })
  | { readonly id?: undefined; readonly bytes: Uint8Array; readonly length: number };

/** With its tag and its length. */
function fieldLength(bytes: number): number {
  return tagLength + varintLength(bytes) + bytes;
}

/** Writes a tag and a number (a field's value, or its length). Returns where what follows begins. */
function begin(into: Buffer, start: number, tag: number, value: number | bigint): number {
  let at = start;
  into[at++] = tag;
  let left = value;
  // Numbers of questions are small, as a rule, and arithmetic with bigints is slow.
  while (typeof left === 'bigint' && left > 0x7fff_ffffn) {
    into[at++] = Number(left & 0x7fn) | 0x80;
    left >>= 7n;
  }
  let small = Number(left);
  while (small > 0x7f) {
    into[at++] = (small & 0x7f) | 0x80;
    small >>>= 7;
  }
  into[at++] = small;
  return at;
}

function varintLength(value: number | bigint): number {
  let length = 1;
  let left = value;
  while (typeof left === 'bigint' && left > 0x7fff_ffffn) {
    length++;
    left >>= 7n;
  }
  for (let small = Number(left) >>> 7; small > 0; small >>>= 7) length++;
  return length;
}
