import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, request } from 'node:http';
import { after, before, describe, it } from 'mocha';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type FakeMesh, startFakeMesh } from '../fake-mesh.ts';

/** What a proxy learns of a request to a backend that came to nothing, through both sidecars. */
describe('answers on the way to a backend', function () {
  this.timeout(120_000);
  let mesh: FakeMesh;

  before(async () => {
    mesh = await startFakeMesh({ security: 1, proxies: 1, edges: 1, db: 1, backends: ['intranet'] });
  });
  after(() => mesh?.close());

  const ask = (path: string, host = 'intranet') =>
    new Promise<{ status: number | undefined; unprocessed: boolean; local: boolean }>((resolve, reject) => {
      const headers = { host, 'x-sallyport-authority': 'intranet.example' };
      const asking = request({ socketPath: mesh.socket('proxy-0', 'backends'), path, headers }, (answer) => {
        answer.resume();
        resolve({ status: answer.statusCode, ...marksOf(answer.headers) });
      });
      asking.on('error', reject).end();
    });

  it('are the backend’s own when it gave them, whatever it pretends', async () => {
    assert.deepEqual(await ask('/'), { status: 200, unprocessed: false, local: false });
    assert.deepEqual(await ask('/busy'), { status: 503, unprocessed: false, local: false });
  });

  it('are marked when a sidecar gave them after the backend may have acted', async () => {
    assert.deepEqual(await ask('/break'), { status: 503, unprocessed: false, local: true });
  });

  it('are marked when the backend got nothing', async () => {
    assert.deepEqual(await ask('/', 'nowhere'), { status: 404, unprocessed: true, local: false });
    const backend = mesh.topology.pods.find((pod) => pod.role === 'backend');
    assert.ok(backend);
    await mesh.stopProcess(backend.name);
    assert.deepEqual(await ask('/'), { status: 503, unprocessed: true, local: false });
    await mesh.envoys.get(backend.name)?.stop();
    // The first may meet the connection that has just broken.
    await waitFor(async () => (await ask('/')).unprocessed, { timeoutMs: 20_000, what: 'the mark' });
  });
});

const marksOf = (headers: IncomingHttpHeaders) => ({
  unprocessed: 'x-sallyport-unprocessed' in headers,
  local: 'x-sallyport-local-reply' in headers,
});
