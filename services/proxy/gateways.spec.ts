import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { after, before, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { Gateway, type InvokeStreamResponseSchema } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { implement } from '#kernel/rpc/implement.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { BackendRequest } from './backends.ts';
import { GatewayLinks } from './gateway-links.ts';
import { Gateways } from './gateways.ts';
import { failing } from './test/stand.ts';
import { WorkScope } from './work-scope.ts';

type InvokeStream = Handlers<typeof Gateway>['invokeStream'];
type Answers = AsyncGenerator<MessageInitShape<typeof InvokeStreamResponseSchema>>;

describe('requests through gateways', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-gw-'));
  const socketPath = join(folder, 'out');
  let answer: InvokeStream;
  const server = createGrpcServer({
    services: [implement(Gateway, { invokeStream: (requests, call) => answer(requests, call) })],
    log: silentLogger,
  });
  before(() => server.listen(socketPath));
  after(async () => {
    await server.close({ graceMs: 100 });
    rmSync(folder, { recursive: true });
  });
  let clock: ManualClock;
  let gateways: Gateways;
  beforeEach(() => {
    clock = new ManualClock();
    gateways = new Gateways({ socketPath, connections: 1, clock, links: new GatewayLinks([], clock) });
  });

  /** What the sink has got; the request is a POST of that body. */
  const ask = async (more: Partial<BackendRequest> = {}): Promise<unknown[]> => {
    const got: unknown[] = [];
    const request = {
      ...{ backend: 'board', method: 'POST', authority: 'board.example', path: '/', body: undefined },
      ...{ headers: { accept: ['a', 'b'] }, scope: new WorkScope() },
      ...more,
    };
    await gateways.request(request, 'gw-0', {
      head: (status, headers) => void got.push(status, { ...headers }),
      data: async (piece) => void got.push(Buffer.from(piece).toString()),
    });
    return got;
  };
  const throws = (error: SallyportError): void => {
    // biome-ignore lint/correctness/useYield: it has nothing to say
    answer = async function* () {
      throw error;
    };
  };

  it('are one stream each, with the body in pieces that fit', async () => {
    const kinds: string[] = [];
    let addressed: string | undefined;
    answer = async function* (requests, call): Answers {
      addressed = call.header('x-sallyport-pod');
      for await (const { kind } of requests) kinds.push(kind.case ?? '');
      const headers = ['1', '2'].map((value) => ({ name: 'set-cookie', value }));
      yield { kind: { case: 'head', value: { status: 201, headers } } };
      yield { kind: { case: 'data', value: Buffer.from('done') } };
      yield { kind: { case: 'end', value: {} } };
    };
    assert.deepEqual(await ask({ body: new Uint8Array(100_000) }), [
      201,
      { 'set-cookie': ['1', '2'] },
      'done',
    ]);
    assert.deepEqual([addressed, ...kinds], ['gw-0', 'start', 'data', 'data', 'noMore']);
    assert.deepEqual([gateways.active, gateways.failed], [0, []]);
  });

  it('pass on what a living gateway says', async () => {
    throws(new SallyportError('BACKEND_FAILED', { metadata: { gateway: 'gw-0', maybeExecuted: 'true' } }));
    await assert.rejects(ask(), failing('BACKEND_FAILED', true));
    assert.deepEqual(gateways.failed, []);
  });

  it('that find their gateway gone say so, for a while and until it answers', async () => {
    throws(new SallyportError('UNAVAILABLE'));
    const lost = (maybeExecuted: boolean) => (error: unknown) =>
      failing(maybeExecuted ? 'BACKEND_FAILED' : 'BACKEND_UNAVAILABLE', maybeExecuted)(error) &&
      error instanceof SallyportError &&
      error.metadata.lostGateway === 'gw-0';
    await assert.rejects(ask(), lost(true));
    assert.deepEqual(gateways.failed, ['gw-0']);
    throws(
      new SallyportError('UNAVAILABLE', {
        metadata: { gateway: 'gw-0', leaving: 'true', maybeExecuted: 'false' },
      }),
    );
    await assert.rejects(ask(), lost(false));
    await clock.advance(5000);
    assert.deepEqual(gateways.failed, []);
    // An answer that ends before its end is none.
    answer = async function* (): Answers {
      yield { kind: { case: 'head', value: { status: 200 } } };
    };
    await assert.rejects(ask(), lost(true));
  });

  it('leave a gateway that is drained, for as long as it is', () => {
    gateways.setDrained(['gw-1']);
    assert.deepEqual(gateways.failed, ['gw-1']);
    gateways.setDrained([]);
    assert.deepEqual(gateways.failed, []);
  });

  it('end with the request, its body or whoever takes the answer, for their own reasons', async () => {
    answer = async function* (requests): Answers {
      for await (const _ of requests);
      yield { kind: { case: 'head', value: { status: 200 } } };
    };
    const scope = new WorkScope();
    async function* endless() {
      yield Buffer.from('x');
      await new Promise(() => {});
    }
    const asking = ask({ scope, body: endless() });
    await assert.rejects(ask(), failing('OVERLOADED', false));
    scope.giveUp(new SallyportError('CANCELLED'));
    await assert.rejects(asking, failing('CANCELLED'));
    async function* broken() {
      yield Buffer.from('x');
      throw new SallyportError('TOO_LARGE');
    }
    await assert.rejects(ask({ body: broken() }), failing('TOO_LARGE'));
    assert.deepEqual(gateways.failed, []);
  });
});
