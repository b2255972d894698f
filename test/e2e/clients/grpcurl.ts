import assert from 'node:assert/strict';
import { readActivation } from '#sdk/enroll.ts';
import { goTool } from '../../tools/go-tool.ts';
import { type Bench, blocks, logIn, outputOf, runScript } from '../bench.ts';
import type { Suite } from '../figures.ts';

/** An operator at a security sidecar, by certificate and reflection. */
export const grpcurlSuite = (bench: Bench): Suite => ({
  name: 'grpcurl: an operator at the tier',
  checks: 7,
  run: async (check) => {
    const PATH = await goTool(bench.page.goTool('grpcurl'), bench.parts);
    const script = (name: string): string => blocks(bench, 'setup', 'grpcurl-setup', name);
    const output = (name: string): Promise<string> => outputOf(bench, script(name), { PATH });
    const answer = async (name: string) => JSON.parse(await output(name));

    await check('reflection lists the services', async () => {
      const services = (await output('grpcurl-list')).trim().split('\n');
      for (const service of [
        'envoy.service.auth.v3.Authorization',
        'grpc.health.v1.Health',
        'sallyport.authorize.v1.ProxyAuthorize',
        'sallyport.keystore.v1.KeyStore',
        'sallyport.session.v1.SessionService',
      ])
        assert.ok(services.includes(service), service);
    });
    await check('reflection describes a method and its message', async () => {
      const text = await output('grpcurl-describe');
      assert.match(text, /rpc ListSessions \( \.sallyport\.session\.v1\.ListSessionsRequest \)/);
      assert.match(text, /string device_id = 2/);
    });
    await check('health is SERVING', async () => {
      assert.deepEqual(await answer('grpcurl-health'), { status: 'SERVING' });
    });
    await check("ListSessions shows a person's session", async () => {
      const { ROUTE } = await logIn(bench);
      const { sessions } = await answer('grpcurl-list-sessions');
      assert.ok(Array.isArray(sessions));
      assert.ok(sessions.some((each) => each.routeKey === ROUTE && each.user === bench.mesh.demo.user));
    });
    await check('CreateActivation gives a string that a device can read', async () => {
      const { activation } = await answer('grpcurl-activation');
      assert.deepEqual([...readActivation(activation).edges].sort(), [...bench.mesh.edgeUrls].sort());
    });
    await check('a method of the proxies is refused', async () => {
      const { ok, stderr } = await runScript(bench, script('grpcurl-refused'), { PATH });
      assert.equal(ok, false);
      assert.match(stderr, /Code: PermissionDenied/);
    });
    await check('nobody gets in without a certificate', async () => {
      const bare = script('grpcurl-list').replace(/ -cert \S+ -key \S+/, '');
      const { ok, stderr } = await runScript(bench, bare, { PATH });
      assert.equal(ok, false);
      assert.match(stderr, /certificate|EOF|connection|deadline/i);
    });
  },
});
