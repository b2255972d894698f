import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { Gateway } from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { createGrpcServer } from '#kernel/rpc/grpc-server.ts';
import { implement } from '#kernel/rpc/implement.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import { type GatewayAct, gatewayCalls } from './gateway.ts';

describe('calls of task steps through gateways', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-gwc-'));
  const address = join(folder, 'out');
  const asked: string[] = [];
  const dead = new Set<string>();
  const server = createGrpcServer({
    services: [
      implement(Gateway, {
        invoke: async (_, call) => {
          const gateway = call.header(podHeader) ?? '';
          asked.push(gateway);
          // As grpc-js says of a call that was cut.
          if (dead.has(gateway)) throw new SallyportError('UNAVAILABLE');
          return { head: { gateway } };
        },
      }),
    ],
    log: silentLogger,
  });
  const calls = gatewayCalls({
    out: { address: `unix:${address}`, defaultDeadlineMs: 5000 },
    gatewaysOf: () => ['gw-0', 'gw-1', 'gw-2'],
  });
  before(() => server.listen(address));
  after(async () => {
    await calls.close();
    await server.close({ graceMs: 100 });
    rmSync(folder, { recursive: true });
  });
  const act = async (what: GatewayAct): Promise<string> => {
    const run = { taskId: 't', token: 'k', attempt: 1, signal: new AbortController().signal };
    try {
      return (await calls.act({ group: 'hr', target: 'x', act: what }, run)).gateway;
    } catch (thrown) {
      return SallyportError.from(thrown).reason;
    }
  };

  it('stay with one gateway; one that was lost costs one call that may not be repeated, and no other', async () => {
    const tcp = { tcp: true } as const;
    assert.deepEqual([await act(tcp), await act(tcp)], ['gw-0', 'gw-0']);
    dead.add('gw-0');
    assert.deepEqual([await act(tcp), await act(tcp), await act(tcp)], ['TARGET_SILENT', 'gw-1', 'gw-1']);
    dead.add('gw-1');
    assert.equal(await act({ search: { base: '' } }), 'gw-2');
    dead.clear();
    assert.equal(await act(tcp), 'gw-2');
    assert.deepEqual(asked, ['gw-0', 'gw-0', 'gw-0', 'gw-1', 'gw-1', 'gw-1', 'gw-2', 'gw-2']);
  });
});
