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
import { Encoded } from '#kernel/rpc/encoded.ts';
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
  const { grant, resource, assertion } = decided;
  const backend = resource?.backend ?? '';
  const kept = keptGrants.get(grant);
  if (kept !== undefined && kept.assertion === assertion && kept.backend === backend) return kept.bytes;
  const bytes = toBinary(
    AuthorizeResponseSchema,
    create(AuthorizeResponseSchema, { grant: wireGrant(decided) }),
  );
  // One that denies is made for each request.
  if (grant.allow) keptGrants.set(grant, { assertion, backend, bytes });
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
/** A tag and a varint: what stands before a field at most. */
const mostBefore = 1 + 10;

/** Writes several answers into one message of AuthorizeStream. */
export class AnswersWriter {
  readonly #pod: string;
  #bytes: Buffer;
  #at = 0;
  #count = 0;

  constructor(pod: string, expectedBytes = 4096) {
    this.#pod = pod;
    this.#bytes = Buffer.allocUnsafe(expectedBytes);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#at;
  }

  add(id: bigint, { grant, lease }: AnswerBytes): void {
    const response = grant.length + lease.length;
    const body = 1 + varintLength(id) + 1 + varintLength(response) + response;
    this.#begin(body);
    this.#varint(numberOf(1));
    this.#varint(id);
    this.#varint(lengthOf(2));
    this.#varint(response);
    this.#bytes.set(grant, this.#at);
    this.#bytes.set(lease, this.#at + grant.length);
    this.#at += response;
  }

  fail(id: bigint, errorReason: string): void {
    const answer = { id, result: { case: 'errorReason' as const, value: errorReason } };
    const bytes = toBinary(AuthorizeAnswerSchema, create(AuthorizeAnswerSchema, answer));
    this.#begin(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  /** The message. */
  finish(): Encoded<typeof AuthorizeStreamResponseSchema> {
    const name = Buffer.from(this.#pod);
    this.#reserve(mostBefore + name.length);
    this.#varint(lengthOf(4));
    this.#varint(name.length);
    this.#bytes.set(name, this.#at);
    this.#at += name.length;
    return new Encoded(AuthorizeStreamResponseSchema, this.#bytes.subarray(0, this.#at));
  }

  #begin(body: number): void {
    this.#count += 1;
    this.#reserve(mostBefore + body);
    this.#varint(lengthOf(5));
    this.#varint(body);
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#at + bytes));
    larger.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = larger;
  }

  #varint(value: number | bigint): void {
    let left = value;
    // Numbers of questions are small, as a rule, and arithmetic with bigints is slow.
    while (typeof left === 'bigint' && left > 0x7fff_ffffn) {
      this.#bytes[this.#at++] = Number(left & 0x7fn) | 0x80;
      left >>= 7n;
    }
    let small = Number(left);
    while (small > 0x7f) {
      this.#bytes[this.#at++] = (small & 0x7f) | 0x80;
      small >>>= 7;
    }
    this.#bytes[this.#at++] = small;
  }
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
