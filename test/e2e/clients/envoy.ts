import assert from 'node:assert/strict';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { findEnvoy } from '#compose/parts/envoy.ts';
import { podsOf } from '#compose/topology/query.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { portFinder } from '#test/ports.ts';
import { type Bench, blocks, logIn, outputOf } from '../bench.ts';
import type { Check, Suite } from '../figures.ts';
import { startProgram } from '../program.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}
type Ask = (path: string, headers?: Readonly<Record<string, string>>) => Promise<Answer>;

/** An Envoy that is none of ours, in front of a server that is none of ours. */
export const envoySuite = (bench: Bench): Suite => ({
  name: 'Envoy: ext_authz for any server',
  checks: 8,
  run: async (check) => {
    const seen: IncomingMessage[] = [];
    const server = createServer((incoming, response) => {
      seen.push(incoming);
      response.end(JSON.stringify(incoming.headers));
    });
    const free = portFinder();
    const [listen, behind] = [await free(), await free()];
    await new Promise<void>((resolve) => {
      server.listen(behind, '127.0.0.1', resolve);
    });
    const env = { LISTEN: String(listen), SERVER: String(behind) };
    await outputOf(bench, blocks(bench, 'setup', 'envoy.yaml'), env);
    const { bin } = await findEnvoy(bench.parts);
    const envoy = startProgram('bash', ['-euc', bench.page.block('envoy')], {
      env: { ...bench.parts.env, WORK: bench.work, ENVOY_BIN: bin },
    });
    const ask: Ask = (path, headers = {}) => get(listen, path, headers);
    try {
      await waitFor(async () => (await ask('/news')).status === 401 || envoy.ended(), {
        timeoutMs: 30_000,
        what: 'the Envoy to ask for a token',
      });
      assert.equal(envoy.ended(), false, envoy.said());
      await decisions(bench, ask, seen, check, env);
      await tierGone(bench, ask, seen, check);
    } finally {
      await envoy.end();
      server.closeAllConnections();
      server.close();
    }
  },
});

async function decisions(
  bench: Bench,
  ask: Ask,
  seen: readonly IncomingMessage[],
  check: Check,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const session = await logIn(bench);
  const bearer = { authorization: `Bearer ${session.TOKEN}` };
  const sent = seen.length;
  await check("allowed with a person's token: the page's own curl", async () => {
    const output = await outputOf(bench, blocks(bench, 'setup', 'envoy-allowed'), { ...session, ...env });
    assert.match(output, /\n200 *\n$/);
  });
  await check('the server sees who asks: an assertion that verifies', async () => {
    const headers: IncomingHttpHeaders = JSON.parse((await ask('/news', bearer)).body);
    const { payload } = await jwtVerify(String(headers['x-sallyport-assertion']), await keysOf(bench));
    assert.equal(payload.sub, bench.mesh.demo.user);
    assert.equal(payload.aud, 'intranet');
  });
  await check('it does not see the token', async () => {
    const { body } = await ask('/news', bearer);
    assert.equal(JSON.parse(body).authorization, undefined);
    assert.ok(!body.includes(session.TOKEN));
  });
  await check('an assertion from outside is replaced', async () => {
    const headers = JSON.parse((await ask('/news', { ...bearer, 'x-sallyport-assertion': 'forged' })).body);
    const { payload } = await jwtVerify(headers['x-sallyport-assertion'], await keysOf(bench));
    assert.equal(payload.sub, bench.mesh.demo.user);
  });
  const reached = seen.length;
  assert.ok(reached > sent);
  await check('denied with 403 and the reason, and the server hears nothing', async () => {
    const { status, headers, body } = await ask('/payroll', bearer);
    assert.equal(status, 403);
    assert.match(String(headers['x-sallyport-reason']), /^[A-Z_]+$/);
    assert.equal(JSON.parse(body).reason, headers['x-sallyport-reason']);
    assert.equal(seen.length, reached);
  });
  await check('a token that is not valid, or none: 401', async () => {
    const forged = { authorization: `${bearer.authorization.slice(0, -8)}AAAAAAAA` };
    for (const headers of [forged, {}]) {
      const answer = await ask('/news', headers);
      assert.equal(answer.status, 401);
      assert.equal(answer.headers['x-sallyport-reason'], 'TOKEN_INVALID');
    }
    assert.equal(seen.length, reached);
  });
}

/** Nobody can be asked: the sidecars of the tier stand still. */
async function tierGone(
  { mesh, ...bench }: Bench,
  ask: Ask,
  seen: readonly IncomingMessage[],
  check: Check,
): Promise<void> {
  const { TOKEN } = await logIn({ mesh, ...bench });
  const bearer = { authorization: `Bearer ${TOKEN}` };
  const pods = podsOf(mesh.topology, 'security').map(({ name }) => name);
  const reached = seen.length;
  await check('the tier is gone: 503, and nothing goes through', async () => {
    try {
      for (const pod of pods) assert.ok(mesh.kill(pod, 'sidecar', 'SIGSTOP'));
      // First while they count as healthy still, later when they do not.
      for (let n = 0; n < 5; n++) {
        assert.equal((await ask('/news', bearer)).status, 503);
        assert.equal((await ask('/payroll', bearer)).status, 503);
      }
      assert.equal(seen.length, reached);
    } finally {
      for (const pod of pods) mesh.kill(pod, 'sidecar', 'SIGCONT');
    }
  });
  await check('the tier is back: it lets through again', async () => {
    await mesh.waitUp(60_000);
    await waitFor(async () => (await ask('/news', bearer)).status === 200, {
      timeoutMs: 30_000,
      what: 'a request to be allowed again',
    });
  });
}

/** The tier's keys, as anybody reads them at an edge. */
async function keysOf(bench: Bench): Promise<ReturnType<typeof createLocalJWKSet>> {
  const script = `${bench.page.block('setup')}${bench.page.block('curl-server-keys')}`;
  const output = await outputOf(bench, script.replace('GetServerKeys', 'GetJwks'));
  return createLocalJWKSet(JSON.parse(JSON.parse(output).jwksJson) as JSONWebKeySet);
}

function get(port: number, path: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const call = request(
      { port, path, agent: false, timeout: 20_000, headers: { host: 'intranet.example', ...headers } },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        );
      },
    );
    call.on('timeout', () => call.destroy(new Error(`no answer to ${path}`)));
    call.on('error', reject);
    call.end();
  });
}
