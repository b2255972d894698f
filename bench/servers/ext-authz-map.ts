/** The least that an ext_authz server on grpc-js can be: is this bearer token in a map? */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import {
  type CheckRequest,
  CheckRequestSchema,
  type CheckResponse,
  CheckResponseSchema,
} from '#gen/envoy/service/auth/v3/external_auth_pb.js';
import { serveBench } from '../harness/child.ts';

serveBench(async ({ socket, tokens }: { socket: string; tokens: [string, string][] }) => {
  const users = new Map(tokens);
  const server = new Server();
  server.register(
    '/envoy.service.auth.v3.Authorization/Check',
    (call: ServerUnaryCall<CheckRequest, CheckResponse>, done: sendUnaryData<CheckResponse>) =>
      done(null, check(call.request, users)),
    (response: CheckResponse) => Buffer.from(toBinary(CheckResponseSchema, response)),
    (bytes: Buffer) => fromBinary(CheckRequestSchema, bytes),
    'unary',
  );
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return async () => undefined;
});

function check(request: CheckRequest, users: ReadonlyMap<string, string>): CheckResponse {
  const user = users.get(request.attributes?.request?.http?.headers.authorization ?? '');
  return user === undefined
    ? create(CheckResponseSchema, {
        status: { code: 7 },
        httpResponse: { case: 'deniedResponse', value: { status: { code: 403 } } },
      })
    : create(CheckResponseSchema, {
        status: { code: 0 },
        httpResponse: {
          case: 'okResponse',
          value: {
            headers: [{ header: { key: 'x-user', value: user } }],
            headersToRemove: ['authorization'],
          },
        },
      });
}
