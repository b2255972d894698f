import assert from 'node:assert/strict';
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { EnrollBodySchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import { parseInside } from './parse-inside.ts';

const app = { platform: 'ios', appId: 'com.example.field', version: '1' };
const bytesOf = (code: Uint8Array) => toBinary(EnrollBodySchema, create(EnrollBodySchema, { code, app }));

describe('parseInside', () => {
  it('reads what is whole', () => {
    assert.equal(parseInside(EnrollBodySchema, bytesOf(new Uint8Array(16))).code.length, 16);
  });

  it('refuses what cannot be read, and what breaks a rule, without repeating what stands there', () => {
    const whole = bytesOf(new Uint8Array(16));
    for (const [bytes, reason] of [
      [whole.subarray(0, 5), 'MALFORMED'],
      [new Uint8Array([0xff, 0xff]), 'MALFORMED'],
      [bytesOf(new TextEncoder().encode('a secret')), 'INVALID_FIELD'],
      [new Uint8Array(), 'INVALID_FIELD'],
    ] as const) {
      assert.throws(
        () => parseInside(EnrollBodySchema, bytes),
        (e) => {
          const error = SallyportError.from(e);
          assert.ok(!error.message.includes('a secret'));
          return error.reason === reason;
        },
      );
    }
  });
});
