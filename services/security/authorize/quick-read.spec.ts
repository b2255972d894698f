import assert from 'node:assert/strict';
import { create, type DescMessage, type Message, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import {
  AuthorizeRequestSchema,
  AuthorizeStreamRequestSchema,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { readRequest } from '#kernel/rpc/validate.ts';
import { quickAuthorizeRequest, quickStreamRequest } from './quick-read.ts';

describe('questions that are read quickly', () => {
  /** What the general reader says: a message, or why there is none. */
  const generally = (schema: DescMessage, bytes: Uint8Array): Message | string => {
    try {
      return readRequest(schema, bytes);
    } catch (error) {
      return SallyportError.from(error).reason;
    }
  };
  /** Quick or not at all: what is read must be what the general reader reads. */
  const agree = (
    schema: DescMessage,
    quick: (bytes: Uint8Array) => Message | undefined,
    bytes: Uint8Array,
  ): boolean => {
    const read = quick(bytes);
    if (read === undefined) return false;
    assert.deepStrictEqual(read, generally(schema, bytes));
    return true;
  };

  const around = (most: number, least = 0): fc.Arbitrary<string> =>
    fc.oneof(
      { weight: 8, arbitrary: fc.string({ minLength: least, maxLength: Math.min(most, 60) }) },
      fc.constantFrom('', 'x', 'é', '€'.repeat(40)),
      ...[least - 1, least, most, most + 1].map((length) => fc.constant('y'.repeat(Math.max(0, length)))),
      fc.string({ unit: 'grapheme', maxLength: 50 }),
    );
  const request = fc.record({
    subject: fc.oneof(
      {
        weight: 8,
        arbitrary: fc.record({ case: fc.constant('sessionId' as const), value: around(160, 40) }),
      },
      fc.record({ case: fc.constantFrom('assertion' as const, 'token' as const), value: around(8192, 20) }),
      fc.constant({ case: undefined }),
    ),
    request: fc.option(
      fc.record({
        method: around(32, 1),
        authority: around(255, 1),
        path: around(8192, 1),
        clientAddress: around(64),
      }),
      { nil: undefined, freq: 20 },
    ),
  });
  type Fields = typeof request extends fc.Arbitrary<infer T> ? T : never;
  const made = ({ request: facts, ...rest }: Fields) => ({ ...rest, ...(facts && { request: facts }) });
  const id = fc.oneof(fc.bigInt(0n, 300n), fc.bigInt(0n, 2n ** 64n - 1n));
  const spoilt = (bytes: Uint8Array, at: number, by: number, cut: number): Uint8Array => {
    const copy = Uint8Array.from(bytes);
    if (copy.length > 0) copy[at % copy.length] = by;
    return copy.subarray(0, copy.length - (cut % 7 === 0 ? cut % (copy.length + 1) : 0));
  };

  it('are what the general reader and the rules of the contract make of them', () => {
    fc.assert(
      fc.property(request, fc.nat(10_000), fc.nat(255), fc.nat(1000), (fields, at, by, cut) => {
        const bytes = toBinary(AuthorizeRequestSchema, create(AuthorizeRequestSchema, made(fields)));
        agree(AuthorizeRequestSchema, quickAuthorizeRequest, bytes);
        agree(AuthorizeRequestSchema, quickAuthorizeRequest, spoilt(bytes, at, by, cut));
      }),
      { numRuns: 2000 },
    );
    const alone = fc.record({ id, request: request.map(made) });
    const several = fc.record({ questions: fc.array(alone, { maxLength: 4 }) });
    fc.assert(
      fc.property(
        fc.oneof(
          alone,
          several,
          fc.tuple(alone, several).map(([a, b]) => ({ ...a, ...b })),
        ),
        fc.nat(10_000),
        fc.nat(255),
        fc.nat(1000),
        (fields, at, by, cut) => {
          const bytes = toBinary(AuthorizeStreamRequestSchema, create(AuthorizeStreamRequestSchema, fields));
          agree(AuthorizeStreamRequestSchema, quickStreamRequest, bytes);
          agree(AuthorizeStreamRequestSchema, quickStreamRequest, spoilt(bytes, at, by, cut));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('are those that proxies ask', () => {
    const usual = {
      subject: { case: 'sessionId' as const, value: 's'.repeat(90) },
      request: {
        method: 'GET',
        authority: 'intranet.example',
        path: '/news?page=2',
        clientAddress: '203.0.113.7',
      },
    };
    const withoutAddress = { ...usual, request: { ...usual.request, clientAddress: '' } };
    for (const fields of [usual, withoutAddress]) {
      const bytes = toBinary(AuthorizeRequestSchema, create(AuthorizeRequestSchema, fields));
      assert.ok(agree(AuthorizeRequestSchema, quickAuthorizeRequest, bytes));
    }
    const stream = (count: number) =>
      toBinary(
        AuthorizeStreamRequestSchema,
        create(AuthorizeStreamRequestSchema, {
          questions: Array.from({ length: count }, (_, n) => ({ id: BigInt(n + 1), request: usual })),
        }),
      );
    for (const count of [0, 1, 16, 256]) {
      assert.ok(agree(AuthorizeStreamRequestSchema, quickStreamRequest, stream(count)), String(count));
    }
    assert.equal(quickStreamRequest(stream(257)), undefined);
    assert.equal(generally(AuthorizeStreamRequestSchema, stream(257)), 'INVALID_FIELD');
  });
});
