import assert from 'node:assert/strict';
import { create } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { RenameDeviceRequestSchema } from '#gen/sallyport/device/v1/device_pb.js';
import { UpdateUserRequestSchema } from '#gen/sallyport/directory/v1/directory_pb.js';
import { checkRequest } from '#kernel/rpc/validate.ts';

const requestKey = 'x'.repeat(22);

describe('names that are shown', () => {
  const user = (displayName: string) =>
    checkRequest(
      UpdateUserRequestSchema,
      create(UpdateUserRequestSchema, { requestKey, name: 'ada', displayName }),
    );
  const device = (name: string) =>
    checkRequest(
      RenameDeviceRequestSchema,
      create(RenameDeviceRequestSchema, { deviceId: 'x'.repeat(22), name }),
    );

  it('hold no control characters: they end up on terminals', () => {
    for (const name of ['\u001b[2J', 'a\nb', 'a\u0000b', 'a\u009bb']) {
      for (const check of [user, device]) {
        assert.throws(
          () => check(name),
          (error: unknown) => SallyportError.from(error).reason === 'INVALID_FIELD',
        );
      }
    }
  });

  it('are otherwise what people are called', () => {
    for (const name of ['Zoë Müller', '山田 太郎', 'أحمد', 'Ada 👩‍💻'])
      for (const check of [user, device]) check(name);
  });
});
