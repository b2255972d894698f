import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileRegistry, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { Health, HealthCheckResponse_ServingStatus as Serving } from '#gen/grpc/health/v1/health_pb.js';
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from '#gen/grpc/reflection/v1/reflection_pb.js';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createAdmission } from './admission.ts';
import { createGrpcClient } from './grpc-client.ts';
import { createGrpcServer } from './grpc-server.ts';
import { HealthState } from './health.ts';
import { implement } from './implement.ts';
import { keepLog } from './test-service.ts';

type Asked = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>;
type Answered = ServerReflectionResponse['messageResponse'];

describe('health and reflection', () => {
  let folder: string;
  let socket: string;
  const closers: (() => unknown)[] = [];
  const health = new HealthState(['sallyport.relay.v1.Relay']);

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rpc-'));
    socket = join(folder, 'grpc.sock');
    const server = createGrpcServer({
      services: [implement(Relay, {})],
      describe: [SessionService],
      health,
      log: keepLog(),
      admission: createAdmission({ maxCalls: 0, maxStreams: 0 }),
    });
    await server.listen(socket);
    closers.push(() => server.close({ graceMs: 0 }));
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await rm(folder, { recursive: true });
  });

  it('answers health checks, also of a pod that takes no more calls', async () => {
    const client = createGrpcClient(Health, { address: `unix:${socket}`, defaultDeadlineMs: 5000 });
    closers.push(() => client.close());
    assert.equal((await client.check({})).status, Serving.NOT_SERVING);
    await assert.rejects(client.check({ service: 'nobody' }), { reason: 'NOT_FOUND' });
    const { responses } = client.watch({});
    const seen = responses[Symbol.asyncIterator]();
    assert.equal((await seen.next()).value?.status, Serving.NOT_SERVING);
    health.set(true);
    assert.equal((await seen.next()).value?.status, Serving.SERVING);
    health.set(false, 'sallyport.relay.v1.Relay');
    assert.equal((await client.check({})).status, Serving.SERVING);
    assert.equal((await client.check({ service: 'sallyport.relay.v1.Relay' })).status, Serving.NOT_SERVING);
    health.set(false);
    assert.equal((await seen.next()).value?.status, Serving.NOT_SERVING);
    const unknown = client.watch({ service: 'nobody' }).responses[Symbol.asyncIterator]();
    assert.equal((await unknown.next()).value?.status, Serving.SERVICE_UNKNOWN);
    assert.deepEqual(Object.keys((await client.list({})).statuses), ['', 'sallyport.relay.v1.Relay']);
  });

  it('describes its services so that they can be rebuilt from nothing', async () => {
    const client = createGrpcClient(ServerReflection, { address: `unix:${socket}`, defaultDeadlineMs: 5000 });
    closers.push(() => client.close());
    const talk = client.serverReflectionInfo();
    const answers = talk.responses[Symbol.asyncIterator]();
    const ask = async (messageRequest: Asked): Promise<Answered | undefined> => {
      await talk.send({ messageRequest });
      return (await answers.next()).value?.messageResponse;
    };
    const list = await ask({ case: 'listServices', value: '' });
    assert.ok(list?.case === 'listServicesResponse');
    assert.deepEqual(list.value.service.map((each) => each.name).sort(), [
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'sallyport.relay.v1.Relay',
      'sallyport.session.v1.SessionService',
    ]);
    for (const value of [
      'sallyport.relay.v1.Relay',
      'sallyport.relay.v1.Relay.Attach',
      'sallyport.relay.v1.Frame',
    ]) {
      const found = await ask({ case: 'fileContainingSymbol', value });
      assert.ok(found?.case === 'fileDescriptorResponse');
      const files = new Map<string, FileDescriptorProto>();
      for (const bytes of found.value.fileDescriptorProto) {
        const file = fromBinary(FileDescriptorProtoSchema, bytes);
        files.set(file.name, file);
      }
      assert.ok(files.has('buf/validate/validate.proto'));
      const relay = files.get('sallyport/relay/v1/relay.proto');
      assert.ok(relay);
      const rebuilt = createFileRegistry(relay, (name) => files.get(name));
      assert.equal(rebuilt.getService('sallyport.relay.v1.Relay')?.methods.length, 3);
    }
    const file = await ask({ case: 'fileByFilename', value: 'buf/validate/validate.proto' });
    assert.equal(file?.case, 'fileDescriptorResponse');
    const numbers = await ask({ case: 'allExtensionNumbersOfType', value: 'google.protobuf.FieldOptions' });
    assert.ok(numbers?.case === 'allExtensionNumbersResponse');
    const [extensionNumber = 0] = numbers.value.extensionNumber;
    const value = { containingType: 'google.protobuf.FieldOptions', extensionNumber };
    assert.equal((await ask({ case: 'fileContainingExtension', value }))?.case, 'fileDescriptorResponse');
    for (const asked of [
      { case: 'fileByFilename', value: 'no.proto' },
      { case: 'fileContainingSymbol', value: 'no.Such' },
      { case: 'allExtensionNumbersOfType', value: 'no.Such' },
      { case: undefined },
    ] as const) {
      assert.equal((await ask(asked))?.case, 'errorResponse');
    }
    talk.end();
  });

  it('answers under the older name too', async () => {
    const client = new Client(`unix:${socket}`, credentials.createInsecure());
    closers.push(() => client.close());
    const path = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo';
    const same = (bytes: Buffer): Buffer => bytes;
    const stream = client.makeBidiStreamRequest(path, same, same);
    const request = { $typeName: ServerReflectionRequestSchema.typeName, host: 'h' };
    stream.end(
      Buffer.from(
        toBinary(ServerReflectionRequestSchema, {
          ...request,
          messageRequest: { case: 'listServices', value: '' },
        }),
      ),
    );
    const answers = [];
    for await (const bytes of stream) answers.push(fromBinary(ServerReflectionResponseSchema, bytes));
    assert.equal(answers[0]?.messageResponse.case, 'listServicesResponse');
    assert.equal(answers.length, 1);
  });
});
