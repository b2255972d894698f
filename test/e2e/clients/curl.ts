import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import { ErrorInfoSchema } from '#gen/google/rpc/error_details_pb.js';
import { type Bench, blocks, logIn, outputOf } from '../bench.ts';
import type { Suite } from '../figures.ts';

interface ConnectError {
  readonly code: string;
  readonly message: string;
  readonly details: readonly { readonly type: string; readonly value: string }[];
}

/** Connect with JSON at the edge. */
export const curlSuite = (bench: Bench): Suite => ({
  name: 'curl: Connect with JSON at the edge',
  checks: 6,
  run: async (check) => {
    await check('GetServerKeys gives the signed list', async () => {
      const answer = JSON.parse(await outputOf(bench, blocks(bench, 'setup', 'curl-server-keys')));
      for (const field of ['keyList', 'signature', 'identityKey']) assert.ok(answer[field], field);
    });
    const session = await logIn(bench);
    await check('Login gives a token, GetSession tells whose it is', async () => {
      const { session: info } = JSON.parse(
        await outputOf(bench, blocks(bench, 'setup', 'curl-get-session'), session),
      );
      assert.equal(info.user, bench.mesh.demo.user);
      assert.equal(info.state, 'SESSION_STATE_LIVE');
    });
    await check('GetSession works without the route key', async () => {
      const answer = await outputOf(bench, blocks(bench, 'setup', 'curl-get-session'), {
        ...session,
        ROUTE: '',
      });
      assert.equal(JSON.parse(answer).session.user, bench.mesh.demo.user);
    });
    await check('Logout ends it', async () => {
      assert.deepEqual(JSON.parse(await outputOf(bench, blocks(bench, 'setup', 'curl-logout'), session)), {});
      const after: ConnectError = JSON.parse(
        await outputOf(bench, blocks(bench, 'setup', 'curl-get-session'), session),
      );
      assert.equal(after.code, 'unauthenticated');
    });
    await check('a wrong password is refused, with the reason in the details', async () => {
      const { status, error } = errorOf(await outputOf(bench, blocks(bench, 'setup', 'curl-wrong-password')));
      assert.equal(status, '401');
      assert.equal(error.code, 'unauthenticated');
      const [detail] = error.details.filter(({ type }) => type === 'google.rpc.ErrorInfo');
      const info = fromBinary(ErrorInfoSchema, Buffer.from(detail?.value ?? '', 'base64'));
      assert.equal(info.reason, 'CREDENTIALS_INVALID');
      assert.equal(info.domain, 'sallyport.internal');
    });
    await check('a user who is not there gets the same answer', async () => {
      const known = withoutPlace(await outputOf(bench, blocks(bench, 'setup', 'curl-wrong-password')));
      const nobody = blocks(bench, 'setup', 'curl-wrong-password').replace('"anna"', '"nobody"');
      assert.deepEqual(withoutPlace(await outputOf(bench, nobody)), known);
    });
  },
});

/** Body and status, as the block prints them. */
function errorOf(output: string): { readonly status: string; readonly error: ConnectError } {
  const [body = '', status = ''] = output.trim().split('\n');
  return { status, error: JSON.parse(body) };
}

/** All of an answer but where and when it was given: pod, request id, and their bytes. */
function withoutPlace(output: string): object {
  const { status, error } = errorOf(output);
  const { code, message, details, ...rest } = error;
  const told = details.map(({ type, value }) => {
    if (type !== 'google.rpc.ErrorInfo') return { type, value };
    const { reason, domain, metadata } = fromBinary(ErrorInfoSchema, Buffer.from(value, 'base64'));
    const { pod, request_id, ...others } = metadata;
    assert.ok(pod !== undefined && request_id !== undefined);
    return { type, reason, domain, metadata: others };
  });
  return { status, code, message, told, rest };
}
