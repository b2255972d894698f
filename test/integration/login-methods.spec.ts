import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { beginOidc, completeOidc, type OpenIdCredential } from '#sdk/oidc.ts';
import { type Enrolled, type OpenWords, openMessage } from '../device-messages.ts';
import { keptClients } from '../kept-clients.ts';
import { type OpenIdProvider, openIdProvider, type Who } from '../open-id-provider.ts';
import { peopleByOpenId } from '../people-by-open-id.ts';
import { ada, as, failsAs, type SecurityBench, securityBench } from '../security-bench.ts';
import { podAt } from '../security-pods.ts';

const policy = {
  resources: [
    {
      ...{ name: 'intranet', backend: 'intranet', hosts: ['intranet.example'] },
      rules: [{ name: 'staff', groups: ['staff'] }],
    },
    {
      ...{ name: 'payroll', backend: 'intranet', hosts: ['intranet.example'], pathPrefix: '/payroll' },
      rules: [{ name: 'with two factors', groups: ['staff'], minAuthLevel: 2 }],
    },
  ],
};
const { password } = ada;
const pin = '314159';
/** A provider that is not there: nobody listens on the port of discard. */
const away = 'http://127.0.0.1:9';

describe('login methods', function () {
  this.timeout(180_000);
  let bench: SecurityBench;
  let provider: OpenIdProvider;
  let proxies: readonly GrpcClient<typeof ProxyAuthorize>[];
  const { keep, close } = keptClients();

  before(async () => {
    provider = await openIdProvider();
    const { issuer, client, tools } = provider;
    bench = await securityBench({
      policy,
      config: {
        roles: { twoWays: 'operator' },
        oidc: [issuer, away].map((each) => ({
          ...{ issuer: each, clientId: client.clientId, peopleClientId: tools.clientId },
        })),
      },
    });
    proxies = [0, 1].map((n) =>
      keep(
        createGrpcClient(ProxyAuthorize, {
          ...{ address: `unix:${podAt(bench.tier, n).grpcSocket}`, defaultDeadlineMs: 30_000 },
          metadata: as('proxy', 'proxy-0'),
        }),
      ),
    );
  });
  after(async () => {
    close();
    await bench?.close();
    await provider?.close();
  });

  const open = async (device: Enrolled, words: Omit<OpenWords, 'user'>) =>
    bench.send(await openMessage(bench.key, device, { user: 'ada', ...words }));
  const decide = async (id: string, path: string, n = 0) => {
    const { grant, lease } = await (proxies[n] ?? assert.fail()).authorize({
      subject: { case: 'sessionId', value: id },
      request: { method: 'GET', authority: 'intranet.example', path },
    });
    return { reason: grant?.reason, level: lease?.facts?.authLevel };
  };
  /** @param pods one has a copy of the session from the first question on, and only the owner's learns more */
  const atLevel = async (id: string, level: 1 | 2, pods: readonly number[] = [0, 1]) => {
    assert.deepEqual(await decide(id, '/news'), { reason: 'ALLOWED', level });
    const payroll = { reason: level === 2 ? 'ALLOWED' : 'STEP_UP', level };
    for (const n of pods) assert.deepEqual(await decide(id, '/payroll', n), payroll);
  };
  const invalid = failsAs('CREDENTIALS_INVALID');

  describe('OpenID Connect, by a real provider', () => {
    const logIn = async (device: Enrolled, who: Who): Promise<OpenIdCredential> => {
      const attempt = beginOidc(provider.client, device.routeKey, { acr_values: 'mfa' });
      return completeOidc(provider.client, attempt, await provider.browse(attempt.url, who));
    };

    it('opens a session for the user that the provider names', async () => {
      const device = await bench.enrol();
      const session = await open(device, { openId: await logIn(device, { user: 'ada' }) });
      await atLevel(session.id, 1);
      const other = await open(device, { openId: await logIn(device, { user: 'Ada' }) });
      await atLevel(other.id, 1);
    });

    it('counts as two factors where the provider has asked for them', async () => {
      const device = await bench.enrol();
      const openId = await logIn(device, { user: 'ada', amr: ['pwd', 'mfa'] });
      await atLevel((await open(device, { openId })).id, 2);
    });

    it('steps a session up that was opened with a password', async () => {
      const device = await bench.enrol();
      const session = await open(device, { password });
      await atLevel(session.id, 1, [0]);
      await bench.stepUp(session, { openId: await logIn(device, { user: 'ada' }) });
      await atLevel(session.id, 2);
    });

    it('refuses a token of another user, device, secret or provider, and one that was changed', async () => {
      const [device, other] = [await bench.enrol(), await bench.enrol()];
      const openId = await logIn(device, { user: 'ada' });
      const [head = '', body = '', signature = ''] = openId.idToken.split('.');
      const forged = Buffer.from(
        Buffer.from(body, 'base64url').toString().replace('"exp":', '"x":1,"exp":'),
      ).toString('base64url');
      const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
      await assert.rejects(open(device, { openId: await logIn(device, { user: 'bob' }) }), invalid);
      await assert.rejects(open(other, { openId }), invalid);
      for (const wrong of [
        { ...openId, secret: randomBytes(32) },
        { ...openId, idToken: `${head}.${forged}.${signature}` },
        { ...openId, idToken: `${unsigned}.${body}.` },
        { ...openId, idToken: 'garbage' },
      ]) {
        // Each device has few attempts.
        const fresh = await bench.enrol();
        await assert.rejects(open(fresh, { openId: wrong }), invalid);
      }
      await open(device, { openId });
    });

    it('says so when the provider is away, and counts no attempt for it', async () => {
      const device = await bench.enrol();
      const part = (of: object): string => Buffer.from(JSON.stringify(of)).toString('base64url');
      const idToken = `${part({ alg: 'RS256', kid: '1' })}.${part({ iss: away })}.AAAA`;
      for (let attempt = 0; attempt < 8; attempt++) {
        const openId = { idToken, secret: randomBytes(32) };
        await assert.rejects(open(device, { openId }), failsAs('OIDC_UNREACHABLE'));
      }
      await open(device, { password });
    });

    it('tells the app when the user says no, or the answer is of another attempt', async () => {
      const { client } = provider;
      const [one, two] = [beginOidc(client, 'r'.repeat(22)), beginOidc(client, 'r'.repeat(22))];
      const refused = await provider.browse(one.url, { user: 'ada', refuses: true });
      await assert.rejects(completeOidc(client, one, refused), /access_denied/);
      const callback = await provider.browse(one.url, { user: 'ada' });
      await assert.rejects(completeOidc(client, two, callback), /another attempt/);
      // A code is of no use without the verifier it was asked for with.
      const stolen = { ...one, verifier: two.verifier };
      await assert.rejects(completeOidc(client, stolen, callback), invalid);
    });
  });

  peopleByOpenId(() => ({ bench, provider, away }));

  describe('the PIN of a device', () => {
    it('is given with a password, then opens sessions, and with the password one of level 2', async () => {
      const device = await bench.enrol();
      await assert.rejects(open(device, { pin }), invalid);
      await atLevel((await open(device, { password, newPin: pin })).id, 1);
      await atLevel((await open(device, { pin })).id, 1);
      await atLevel((await open(device, { password, pin })).id, 2);
      await assert.rejects(open(device, { password, pin: '000000' }), invalid);
      await assert.rejects(open(device, { password: 'wrong', pin }), invalid);
      // No PIN gives another one.
      await assert.rejects(open(device, { pin, newPin: '271828' }), invalid);
      await open(device, { pin });
      // It is this device's only.
      await assert.rejects(open(await bench.enrol(), { pin }), invalid);
    });

    it('steps a session up, and the password one that was opened by PIN', async () => {
      const device = await bench.enrol();
      const session = await open(device, { password, newPin: pin });
      await assert.rejects(bench.stepUp(session, { pin: '000000' }), invalid);
      // The same way twice proves no more.
      await bench.stepUp(session, { password });
      await atLevel(session.id, 1, [0]);
      await bench.stepUp(session, { pin });
      await atLevel(session.id, 2);
      const second = await open(device, { pin });
      await bench.stepUp(second, { password });
      await atLevel(second.id, 2);
      await assert.rejects(bench.stepUp(second, {}), invalid);
    });

    it('is void after ten wrong ones, however slowly they come', async () => {
      const device = await bench.enrol();
      await open(device, { password, newPin: pin });
      let wrong = 0;
      while (wrong < 10) {
        const { reason } = await open(device, { pin: '000000' }).then(
          () => assert.fail(),
          (error) => SallyportError.from(error),
        );
        if (reason === 'CREDENTIALS_INVALID') wrong++;
        // A right password lets it go on at once; a thief would have to wait.
        else assert.equal(reason, 'THROTTLED');
        if (wrong % 4 === 0) await open(device, { password });
      }
      await open(device, { password });
      await assert.rejects(open(device, { pin }), invalid);
      await open(device, { password, newPin: pin });
      await open(device, { pin });
    });

    it('rests in the database under the root key', async () => {
      const device = await bench.enrol();
      await open(device, { password, newPin: pin });
      const { sealed_pin } = await bench.db.read((db) =>
        db
          .selectFrom('shared_keys')
          .select('sealed_pin')
          .where('route_key', '=', device.routeKey)
          .executeTakeFirstOrThrow(),
      );
      assert.ok(sealed_pin);
      assert.ok(!sealed_pin.includes('argon2'));
    });
  });
});
