import assert from 'node:assert/strict';
import { create, type DescMessage, equals, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import type { Grant } from '#core/policy/grant.ts';
import type { Resource } from '#core/policy/policy.ts';
import {
  AuthorizeResponseSchema,
  AuthorizeStreamResponseSchema,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { SessionRecord } from '../session/record.ts';
import { AnswersWriter, encodeResponse, grantBytes, leaseBytes } from './encode-answer.ts';
import { type Decided, wireGrant } from './grant.ts';

describe('answers as bytes', () => {
  const same = <S extends DescMessage>(schema: S, bytes: Uint8Array, fields: MessageInitShape<S>): void =>
    assert.ok(
      equals(schema, fromBinary(schema, bytes), create(schema, fields)),
      JSON.stringify(fields, shown),
    );
  const shown = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
  const grant: fc.Arbitrary<Grant> = fc.record({
    allow: fc.boolean(),
    reason: fc.constantFrom('ALLOWED', 'NO_RULE', 'TIME'),
    rule: fc.option(fc.string(), { nil: undefined }),
    resource: fc.option(fc.string(), { nil: undefined }),
    explain: fc.string({ maxLength: 300, unit: 'grapheme' }),
    policyVersion: fc.nat(),
    endsSession: fc.constant(false),
    validUntil: fc.maxSafeNat(),
  });
  const decided: fc.Arbitrary<Decided> = fc.record({
    grant,
    resource: fc.option(
      fc.string().map((backend) => ({ backend }) as Resource),
      { nil: undefined },
    ),
    assertion: fc.option(fc.record({ jwt: fc.string({ maxLength: 700 }), expiresAtMs: fc.maxSafeNat() }), {
      nil: undefined,
    }),
  });
  const lease = fc.option(
    fc.record({
      durationMs: fc.nat(10_000),
      policyVersion: fc.bigInt(0n, 9n),
      feedPosition: fc.bigInt(0n, 9n),
    }),
    { nil: undefined },
  );
  const newRecord = () => ({}) as SessionRecord;
  const whole = (terms: typeof lease extends fc.Arbitrary<infer T> ? T : never) =>
    terms && { ...terms, pod: 'sec-0', facts: undefined };
  const fieldsOf = (made: Decided, terms: ReturnType<typeof whole>) => ({
    grant: wireGrant(made),
    ...(terms && { lease: { ...terms, facts: { user: 'ada' } } }),
  });
  const withFacts = (terms: ReturnType<typeof whole>) =>
    terms && ({ ...terms, facts: { user: 'ada' } } as unknown as Parameters<typeof leaseBytes>[1]);

  it('are what the general writer makes of the message, whatever of it was kept', () => {
    const record = newRecord();
    fc.assert(
      fc.property(decided, decided, lease, lease, (one, other, before, after) => {
        // The same grant again with what belongs to another: what is kept for it must not be believed.
        const mixed = { ...one, resource: other.resource, assertion: other.assertion };
        for (const [made, terms] of [
          [one, before],
          [one, before],
          [mixed, after],
          [one, after],
        ] as const) {
          const full = whole(terms);
          const { bytes } = encodeResponse({
            grant: grantBytes(made),
            lease: leaseBytes(record, withFacts(full)),
          });
          same(AuthorizeResponseSchema, bytes, fieldsOf(made, full));
        }
      }),
    );
  });

  it('are several in one message of a stream', () => {
    const id = fc.oneof(fc.bigInt(0n, 300n), fc.bigInt(0n, 2n ** 64n - 1n));
    const answer = fc.oneof(
      fc.record({ id, made: decided, terms: lease }),
      fc.record({ id, reason: fc.constantFrom('NOT_HELD', 'STALE') }),
    );
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 12 }), (answers) => {
        const writer = new AnswersWriter('sec-0');
        for (const each of answers) {
          if ('reason' in each) writer.fail(each.id, each.reason);
          else {
            const lease = leaseBytes(newRecord(), withFacts(whole(each.terms)));
            writer.add(each.id, { grant: grantBytes(each.made), lease });
          }
        }
        assert.equal(writer.count, answers.length);
        const { bytes } = writer.finish();
        assert.equal(writer.length, bytes.length);
        same(AuthorizeStreamResponseSchema, bytes, {
          pod: 'sec-0',
          answers: answers.map((each) =>
            'reason' in each
              ? { id: each.id, result: { case: 'errorReason' as const, value: each.reason } }
              : {
                  id: each.id,
                  result: { case: 'response' as const, value: fieldsOf(each.made, whole(each.terms)) },
                },
          ),
        });
      }),
    );
  });
});
