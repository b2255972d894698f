/** What people notice who log in by OpenID Connect: at a bench, by a real provider. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { JWTPayload } from 'jose';
import { after, before, describe, it } from 'mocha';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { Directory, Role } from '#gen/sallyport/directory/v1/directory_pb.js';
import { WorkItemService } from '#gen/sallyport/task/v1/work_item_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { beginOidc, completeOidc, type OpenIdCredential } from '#sdk/oidc.ts';
import { runCli } from '#services/cli/run-cli.ts';
import { routeKeyOfUser } from '#services/security/session/login.ts';
import { keptClients } from './kept-clients.ts';
import type { OpenIdProvider, Who } from './open-id-provider.ts';
import { type PodRelay, startPodRelay } from './pod-relay.ts';
import { ada, as, failsAs, failure, operator, type SecurityBench, shown } from './security-bench.ts';
import { podAt } from './security-pods.ts';

interface Given {
  readonly bench: SecurityBench;
  readonly provider: OpenIdProvider;
  /** Issuer of one that does not answer. */
  readonly away: string;
}

const edge = (address: string) => ({ headers: as('edge', 'edge-0', address) });

export function peopleByOpenId(given: () => Given): void {
  describe('people, by OpenID Connect', () => {
    const { keep, close } = keptClients();
    let inbox: GrpcClient<typeof WorkItemService>;
    let directory: GrpcClient<typeof Directory>;
    let authorize: GrpcClient<typeof ProxyAuthorize>;

    before(async () => {
      const { tier } = given().bench;
      const { connectSocket, grpcSocket } = podAt(tier, 0);
      const at = { address: `unix:${connectSocket}`, defaultDeadlineMs: 30_000 };
      inbox = keep(createGrpcClient(WorkItemService, at));
      directory = keep(createGrpcClient(Directory, at));
      authorize = keep(
        createGrpcClient(ProxyAuthorize, {
          ...{ address: `unix:${grpcSocket}`, defaultDeadlineMs: 30_000, metadata: as('service', 'console') },
        }),
      );
      // As those that a directory or SCIM brings: without a password here.
      for (const name of ['sina', 'dora']) {
        await directory.createUser(
          { requestKey: randomUUID(), name, groups: { names: ['staff'] } },
          operator,
        );
      }
    });
    after(close);

    const tokenFor = async (
      user: string,
      who: Who = { user },
      client = given().provider.tools,
    ): Promise<OpenIdCredential> => {
      const attempt = beginOidc(client, routeKeyOfUser(user));
      return completeOidc(client, attempt, await given().provider.browse(attempt.url, who));
    };
    const logIn = (user: string, openId: OpenIdCredential, pod = 0, address = '192.0.2.7', password = '') =>
      given().bench.at(pod).login({ user, password, openId }, edge(address));
    const payroll = async (token: string) => {
      const request = { method: 'GET', authority: 'intranet.example', path: '/payroll' };
      const { grant } = await authorize.authorize({ subject: { case: 'token', value: token }, request });
      return grant?.reason;
    };

    it('let somebody without a password in, to his inbox', async () => {
      const { token, groups } = await logIn('Sina', await tokenFor('Sina', { user: 'sina' }));
      assert.deepEqual(groups, ['staff']);
      const bearer = { headers: { ...as('edge', 'edge-0'), authorization: `Bearer ${token}` } };
      const { session } = await given().bench.at(1).getSession({}, bearer);
      assert.deepEqual([session?.user, session?.deviceId], ['sina', '']);
      assert.deepEqual((await inbox.listItems({}, bearer)).items, []);
      assert.equal(await payroll(token), 'STEP_UP');
    });

    it('count twice where the provider has asked for two ways, or a password is shown as well', async () => {
      const strong = await logIn('sina', await tokenFor('sina', { user: 'sina', amr: ['pwd', 'mfa'] }));
      assert.equal(await payroll(strong.token), 'ALLOWED');
      const both = await logIn('ada', await tokenFor('ada'), 0, '192.0.2.8', ada.password);
      assert.equal(await payroll(both.token), 'ALLOWED');
      const wrong = logIn('ada', await tokenFor('ada'), 0, '192.0.2.8', 'wrong');
      await assert.rejects(wrong, failsAs('CREDENTIALS_INVALID'));
    });

    it('do what their role may after a login by two ways, and less before', async () => {
      const roles = { roles: [Role.OPERATOR] };
      await directory.updateUser({ requestKey: randomUUID(), name: 'sina', roles }, operator);
      const administer = async (who: Who) => {
        const { token } = await logIn('sina', await tokenFor('sina', who));
        const admin = { authorization: `Bearer ${token}`, 'x-sallyport-admin': 'on' };
        const headers = { headers: { ...as('edge', 'edge-0'), ...admin } };
        assert.ok((await directory.getUser({ name: 'sina' }, headers)).user);
        const change = { requestKey: randomUUID(), name: 'dora', displayName: 'D.' };
        return directory.updateUser(change, headers);
      };
      await assert.rejects(administer({ user: 'sina' }), failsAs('STEP_UP_NEEDED'));
      await administer({ user: 'sina', amr: ['mfa'] });
    });

    it('get the same answer whatever is wrong, and in once by each token', async () => {
      const { provider, bench } = given();
      const right = await tokenFor('sina');
      const [issuer, now] = [provider.issuer, Math.floor(Date.now() / 1000)];
      const resigned = async (claims: JWTPayload) => ({
        ...right,
        idToken: await provider.resign(right.idToken, claims),
      });
      const password = { user: 'sina', password: 'wrong' };
      const asPassword = shown(await failure(bench.at().login(password, edge('192.0.2.9'))));
      const refused = async (user: string, openId: OpenIdCredential, pod = 0) =>
        // Few attempts are let through of each address.
        assert.deepEqual(shown(await failure(logIn(user, openId, pod, newAddress()))), asPassword);
      await refused('dora', right);
      await refused('dora', await tokenFor('dora', { user: 'sina' }));
      await refused('nobody', await tokenFor('nobody'));
      await refused('sina', await tokenFor('sina', { user: 'sina' }, provider.client));
      await refused('sina', { ...right, secret: randomBytes(32) });
      await refused('sina', await resigned({ nonce: 'another' }));
      await refused('sina', await resigned({ aud: provider.client.clientId }));
      await refused('sina', await resigned({ iat: now - 7200, exp: now - 3600 }));
      await refused('sina', await resigned({ iss: `${issuer}/` }));
      // Its own words, signed again by nobody of the provider's.
      await refused('sina', { ...right, idToken: `${right.idToken.slice(0, -8)}AAAAAAAA` });
      assert.ok((await logIn('sina', right)).token);
      for (const pod of [0, 1]) await refused('sina', right, pod);

      const later = await tokenFor('dora');
      await directory.updateUser({ requestKey: randomUUID(), name: 'dora', disabled: true }, operator);
      await refused('dora', later);
      for (const { log } of bench.tier.pods) assert.ok(!log().includes(right.idToken));
    });

    it('are let in by one of many that come with one token at once', async () => {
      const openId = await tokenFor('sina');
      const attempts = await Promise.allSettled([0, 1, 0, 1].map((pod) => logIn('sina', openId, pod)));
      assert.equal(attempts.filter(({ status }) => status === 'fulfilled').length, 1);
    });

    it('are throttled as by passwords, and nobody else with them', async () => {
      const openId = { ...(await tokenFor('sina')), secret: randomBytes(32) };
      const tried = Array.from({ length: 14 }, () => failure(logIn('sina', openId, 0, '198.51.100.9')));
      const reasons = (await Promise.all(tried)).map(({ reason }) => reason);
      assert.equal(reasons.filter((each) => each === 'CREDENTIALS_INVALID').length, 10);
      assert.equal(reasons.filter((each) => each === 'THROTTLED').length, 4);
      assert.ok((await logIn('sina', await tokenFor('sina'))).token);
    });

    it('are told when the provider is away, which counts against nobody', async () => {
      const { bench, provider, away } = given();
      const right = await tokenFor('ada');
      const openId = { ...right, idToken: await provider.resign(right.idToken, { iss: away }) };
      for (let attempt = 0; attempt < 12; attempt++) {
        const { reason, retryAfterMs } = await failure(logIn('ada', openId, 0, '198.51.100.10'));
        assert.deepEqual([reason, retryAfterMs], ['OIDC_UNREACHABLE', 2000]);
      }
      assert.ok((await logIn('ada', right, 0, '198.51.100.10')).token);
      assert.ok((await bench.at().login(ada, edge('198.51.100.10'))).token);
    });

    it('have to show something', async () => {
      const nothing = given().bench.at().login({ user: 'ada' }, edge('198.51.100.11'));
      await assert.rejects(nothing, failsAs('INVALID_FIELD'));
    });

    describe('at the command line', () => {
      let relay: PodRelay;
      let dir: string;
      let at: readonly string[];
      before(async () => {
        const { bench } = given();
        dir = bench.group.dir;
        const socket = join(dir, 'edge.sock');
        const { connectSocket } = podAt(bench.tier, 0);
        const identity = 'spiffe://sallyport.internal/edge/edge-0';
        relay = await startPodRelay(socket, { identity, target: () => connectSocket });
        at = ['--edge', `unix:${socket}`];
      });
      after(() => relay?.close());

      /** @param visit what the browser does with the address that is shown */
      const run = async (args: readonly string[], visit: (url: string) => Promise<unknown> = assert.fail) => {
        const written = { out: '', err: '' };
        let visited: Promise<unknown> = Promise.resolve();
        const take = (stream: 'out' | 'err') => (text: string) => {
          written[stream] += text;
          const [url] = /http:\S+\/auth\?\S+/.exec(text) ?? [];
          if (url !== undefined) visited = visit(url);
        };
        const code = await runCli([...args, '--state', dir], {
          ...{ env: {}, cwd: dir, clock: systemClock, out: take('out'), err: take('err') },
          ...{ signal: new AbortController().signal, onSecondInterrupt: () => {}, outBytes: async () => {} },
        });
        await visited;
        return { code, ...written };
      };
      const login = (user: string, ...more: string[]) => ['login', user, ...at, ...more];
      const named = (): string[] => ['--oidc', given().provider.issuer];
      const browser = (who: Who) => async (url: string) => {
        const response = await fetch(await given().provider.browse(url, who));
        assert.equal(response.status, 200, await response.text());
      };

      it('log in by a browser that comes back', async () => {
        const { code, err, out } = await run(login('sina', ...named()), browser({ user: 'sina' }));
        assert.equal(code, 0, err);
        assert.match(out, /sina is logged in until/);
        const inItems = await run(['whoami', '--json']);
        assert.match(inItems.out, /"user":"sina"/, inItems.err);
        const asked = await run(login('sina', ...named(), '--json', '--param', 'acr_values=mfa'), (url) => {
          assert.equal(new URL(url).searchParams.get('acr_values'), 'mfa');
          return browser({ user: 'sina' })(url);
        });
        assert.match(asked.out, /^\{"name":"login","ok":true/);
        assert.equal((await run(['logout'])).code, 0);
      });

      it('are told what is wrong, and stay who they were', async () => {
        const other = await run(login('sina', ...named()), browser({ user: 'ada' }));
        assert.match(other.err, /^error CREDENTIALS_INVALID: .*sina\nhint: is sina who logged in there/);
        const no = await run(login('sina', ...named()), browser({ user: 'sina', refuses: true }));
        assert.match(no.err, /^error CREDENTIALS_INVALID: .*access_denied/);
        const late = await run(login('sina', ...named(), '--wait', '1'), async () => {});
        assert.match(late.err, /^error DEADLINE: nobody has come back .* within 1 s\nhint: /);
        const gone = await run(login('sina', '--oidc', given().away));
        assert.match(gone.err, /^error UNAVAILABLE: the OpenID provider does not answer.*\nhint: /);
        assert.match((await run(['whoami'])).out, /^Nobody is logged in/);
      });

      it('have to choose where there are several, and to mean it', async () => {
        for (const [args, said] of [
          [login('sina', '--oidc'), /several OpenID providers\nhint: name one with --oidc: http/],
          [login('sina', '--oidc', 'https://evil.example'), /does not take https:\/\/evil\.example/],
          [login('sina', '--param', 'acr_values=mfa'), /hint: add --oidc/],
          [login('sina', ...named(), '--param', 'mfa'), /is not name=value/],
          [login('sina', ...named(), '--port', '0'), /whole number from 1/],
        ] as const) {
          const { code, err } = await run(args);
          assert.equal(code, 2, err);
          assert.match(err, said);
        }
      });
    });
  });
}

let addresses = 0;
const newAddress = (): string => `203.0.113.${++addresses}`;
