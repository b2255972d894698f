import assert from 'node:assert/strict';
import { after, before, describe, it } from 'mocha';
import { completeAttach } from '#core/channel/attach.ts';
import { SallyportError } from '#core/errors/error.ts';
import { decodeEpoch } from '#core/ids/epoch.ts';
import { Authorization } from '#gen/envoy/service/auth/v3/external_auth_pb.js';
import { ProxyAuthorize, type WatchResponse } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { RevokeWait, SessionService, SessionState } from '#gen/sallyport/session/v1/session_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';
import { keptClients } from '../kept-clients.ts';
import { enrolPhone, type Phone, type PhoneSession } from '../phone.ts';
import { as } from '../security-bench.ts';
import { podAt, type SecurityPod, type SecurityPods, securityPods } from '../security-pods.ts';

const policy = {
  resources: [
    {
      name: 'intranet',
      backend: 'intranet',
      hosts: ['intranet.example'],
      pathPrefix: '/',
      assertion: { audience: 'intranet' },
      rules: [{ name: 'staff', groups: ['staff'] }],
    },
    {
      name: 'payroll',
      backend: 'intranet',
      hosts: ['intranet.example'],
      pathPrefix: '/payroll',
      rules: [{ name: 'clerks', groups: ['payroll'] }],
    },
  ],
};

const news = { method: 'GET', authority: 'intranet.example', path: '/news' };
const wages = { method: 'GET', authority: 'intranet.example', path: '/payroll/wages' };

describe('security pods on a real database', function () {
  this.timeout(120_000);
  let group: DbGroup;
  let tier: SecurityPods;
  let phone: Phone;
  let session: PhoneSession;
  const { keep: client, close: closeClients } = keptClients();

  const pod = (n: number): SecurityPod => podAt(tier, n);
  const proxyOf = (n: number): GrpcClient<typeof ProxyAuthorize> =>
    client(
      createGrpcClient(ProxyAuthorize, {
        address: `unix:${pod(n).grpcSocket}`,
        defaultDeadlineMs: 10_000,
        metadata: as('proxy', 'proxy-0'),
      }),
    );
  const keysOf = (n: number): GrpcClient<typeof KeyStore> =>
    client(
      createGrpcClient(KeyStore, {
        address: `unix:${pod(n).grpcSocket}`,
        defaultDeadlineMs: 10_000,
        metadata: as('proxy', 'proxy-0'),
      }),
    );
  const sessionsOf = (n: number): GrpcClient<typeof SessionService> =>
    client(
      createGrpcClient(SessionService, {
        address: `unix:${pod(n).connectSocket}`,
        defaultDeadlineMs: 60_000,
        metadata: as('operator', 'alice'),
      }),
    );
  const lease = (n: number, held: PhoneSession) => {
    const { deviceNonce, proof } = held.attach();
    const request = { sessionId: held.id, deviceNonce, proof, proxy: 'proxy-0' };
    return keysOf(n)
      .leaseSessionKey(request)
      .then((answer) => ({ answer, deviceNonce }));
  };
  const decide = (n: number, id: string, request: typeof news) =>
    proxyOf(n).authorize({ subject: { case: 'sessionId', value: id }, request });

  before(async () => {
    group = await startDbGroup({ pods: 1 });
    await group.online();
    tier = await securityPods(group, {
      names: ['sec-0', 'sec-1'],
      users: [
        { name: 'ada', password: 'correct horse', groups: ['staff'] },
        { name: 'bob', password: 'battery staple', groups: ['staff', 'payroll'] },
      ],
      policy,
    });
    // At once, so that both would make the keys and the schema.
    await Promise.all(tier.pods.map((each) => each.start()));
    phone = await enrolPhone(pod(0).connectSocket, 'ada');
    session = await phone.open(pod(0).connectSocket, 'correct horse');
  });

  after(async () => {
    closeClients();
    await tier?.close();
    await group?.close();
  });

  it('gives an attached device traffic keys that the device derives, too', async () => {
    const { answer, deviceNonce } = await lease(0, session);
    const { epoch, serverNonce, confirmation } = answer;
    const keys = completeAttach(
      channelCrypto,
      { sessionId: session.id, sessionKey: session.key },
      { epoch, serverNonce, deviceNonce, confirmation, proxy: 'proxy-0' },
    );
    assert.deepEqual(new Uint8Array(answer.deviceToProxyKey), new Uint8Array(keys.deviceToProxy));
    assert.equal(answer.lease?.facts?.user, 'ada');
    assert.equal(answer.lease?.durationMs, 10_000);
    const again = await lease(1, session);
    const [one, two] = [decodeEpoch(epoch), decodeEpoch(again.answer.epoch)];
    assert.notEqual(one.incarnation, two.incarnation);
  });

  it('refuses an attach by somebody without the session key, and a proxy under another name', async () => {
    const { deviceNonce } = session.attach();
    const forged = { sessionId: session.id, deviceNonce, proof: new Uint8Array(32), proxy: 'proxy-0' };
    await assert.rejects(keysOf(0).leaseSessionKey(forged), reason('ATTACH_PROOF_INVALID'));
    await assert.rejects(
      keysOf(0).leaseSessionKey({ ...forged, proxy: 'proxy-1' }),
      reason('CALLER_NOT_ALLOWED'),
    );
    const invented = `${session.id.slice(0, -22)}${'A'.repeat(22)}`;
    await assert.rejects(decide(0, invented, news), reason('SESSION_UNKNOWN'));
  });

  it('allows what the policy allows, with an assertion, and denies the rest with the reason', async () => {
    const { grant, lease: renewed } = await decide(0, session.id, news);
    assert.equal(grant?.allow, true);
    assert.equal(grant?.backend, 'intranet');
    assert.equal(renewed?.pod, 'sec-0');
    const denied = await decide(1, session.id, wages);
    assert.deepEqual([denied.grant?.allow, denied.grant?.reason], [false, 'NO_RULE']);
    assert.equal(denied.grant?.assertion, '');
  });

  it('answers Check by the same decision, for an assertion', async () => {
    const { grant } = await decide(0, session.id, news);
    const envoy = client(
      createGrpcClient(Authorization, {
        address: `unix:${pod(1).grpcSocket}`,
        defaultDeadlineMs: 10_000,
        metadata: as('backend', 'intranet-0'),
      }),
    );
    const ask = (path: string, authorization?: string) =>
      envoy.check({
        attributes: {
          request: {
            http: {
              method: 'GET',
              host: 'intranet.example',
              path,
              headers: authorization ? { authorization } : {},
            },
          },
        },
      });
    const bearer = `Bearer ${grant?.assertion}`;
    const allowed = await ask('/news', bearer);
    assert.equal(allowed.httpResponse.case, 'okResponse');
    const denied = await ask('/payroll', bearer);
    assert.equal(
      denied.httpResponse.case === 'deniedResponse' && denied.httpResponse.value.status?.code,
      403,
    );
    for (const wrong of [undefined, `${bearer}x`, 'Bearer aaaaaaaaaaaaaaaaaaaaaaaaaa']) {
      const { httpResponse } = await ask('/news', wrong);
      assert.equal(httpResponse.case === 'deniedResponse' && httpResponse.value.status?.code, 401);
    }
  });

  it('answers many questions on one stream, and NOT_HELD for what it does not hold', async () => {
    const other = await phone.open(pod(1).connectSocket, 'correct horse');
    const stream = proxyOf(0).authorizeStream();
    for (const [id, value] of [session.id, other.id, session.id].entries()) {
      await stream.send({
        id: BigInt(id),
        request: { subject: { case: 'sessionId', value }, request: news },
      });
    }
    const question = (id: number, value: string) => ({
      id: BigInt(id),
      request: { subject: { case: 'sessionId' as const, value }, request: news },
    });
    await stream.send({
      questions: [question(3, session.id), question(4, other.id), question(5, session.id)],
    });
    stream.end();
    const answers = new Map<bigint, string | undefined>();
    for await (const message of stream.responses) {
      assert.equal(message.pod, 'sec-0');
      const alone = message.answers.length === 0 ? [message] : message.answers;
      for (const { id, result } of alone) {
        answers.set(id, result.case === 'response' ? result.value.grant?.reason : result.value);
        if (result.case === 'response') assert.equal(result.value.lease?.facts?.user, 'ada');
      }
    }
    assert.deepEqual([...answers].sort(), [
      [0n, 'ALLOWED'],
      [1n, 'NOT_HELD'],
      [2n, 'ALLOWED'],
      [3n, 'ALLOWED'],
      [4n, 'NOT_HELD'],
      [5n, 'ALLOWED'],
    ]);
  });

  it('lists sessions for operators, and for nobody else', async () => {
    const { sessions } = await sessionsOf(1).listSessions({ user: 'ada' });
    assert.ok(sessions.length >= 2);
    assert.ok(sessions.every((each) => each.state === SessionState.LIVE && each.groups[0] === 'staff'));
    assert.ok(
      sessions.every((each) => !session.id.startsWith(`${each.handle}.`) || each.handle !== session.id),
    );
    await assert.rejects(
      sessionsOf(1).listSessions({}, { headers: as('proxy', 'proxy-0') }),
      reason('CALLER_NOT_ALLOWED'),
    );
    // Through an edge it is for people, who show a token.
    await assert.rejects(
      sessionsOf(1).listSessions({}, { headers: as('edge', 'edge-0') }),
      reason('TOKEN_INVALID'),
    );
  });

  it('waits for a FLEET revocation until every lease holder has acknowledged, and no pod serves it after', async () => {
    const doomed = await phone.open(pod(0).connectSocket, 'correct horse');
    const spared = await phone.open(pod(0).connectSocket, 'correct horse');
    await decide(1, doomed.id, news);
    const watch = proxyOf(1).watch();
    const seen: WatchResponse['kind'][] = [];
    await watch.send({ kind: { case: 'start', value: { proxy: 'proxy-0' } } });
    const following = (async () => {
      for await (const { kind } of watch.responses) {
        seen.push(kind);
        if (kind.case !== 'revocation') continue;
        await watch.send({ kind: { case: 'acknowledgedPosition', value: kind.value.position } });
      }
    })().catch((error) => assert.equal(SallyportError.from(error).reason, 'CANCELLED'));
    await waitFor(() => seen.some((kind) => kind.case === 'policy'), {
      timeoutMs: 10_000,
      what: 'the policy',
    });
    assert.equal(seen[0]?.case, 'hello');
    const { everywhere, position } = await sessionsOf(0).revokeSessions({
      subject: { case: 'session', value: doomed.id },
      reason: 'a test',
      wait: RevokeWait.FLEET,
    });
    assert.equal(everywhere, true);
    const told = seen.find((kind) => kind.case === 'revocation');
    assert.equal(told?.case === 'revocation' && told.value.position, position);
    for (const n of [0, 1]) {
      await assert.rejects(decide(n, doomed.id, news), reason('SESSION_REVOKED'));
      assert.equal((await decide(n, spared.id, news)).grant?.allow, true);
    }
    watch.cancel();
    await following;
  });

  it('ends what a user has open, and lets the user log in again', async () => {
    const before = await phone.open(pod(0).connectSocket, 'correct horse');
    await sessionsOf(1).revokeSessions({ subject: { case: 'user', value: 'ada' }, reason: 'a test' });
    await assert.rejects(decide(1, before.id, news), reason('SESSION_REVOKED'));
    await waitFor(
      () =>
        decide(0, before.id, news).then(
          () => false,
          (error) => reason('SESSION_REVOKED')(error),
        ),
      { timeoutMs: 10_000, what: 'the other pod to know' },
    );
    session = await phone.open(pod(0).connectSocket, 'correct horse');
    assert.equal((await decide(1, session.id, news)).grant?.allow, true);
  });

  it('knows people by their token, and not by the id within it', async () => {
    const sessions = sessionsOf(0);
    const { token } = await sessions.login({ user: 'bob', password: 'battery staple' });
    const service = client(
      createGrpcClient(ProxyAuthorize, {
        address: `unix:${pod(1).grpcSocket}`,
        defaultDeadlineMs: 10_000,
        metadata: as('service', 'console'),
      }),
    );
    const ask = (value: string) => service.authorize({ subject: { case: 'token', value }, request: wages });
    assert.equal((await ask(token)).grant?.allow, true);
    await assert.rejects(ask(token.split('~')[0] ?? ''), reason('TOKEN_INVALID'));
    await assert.rejects(
      service.authorize({ subject: { case: 'sessionId', value: session.id }, request: news }),
      reason('CALLER_NOT_ALLOWED'),
    );
    await sessions.logout({}, { headers: { authorization: `Bearer ${token}` } });
    await waitFor(
      () =>
        ask(token).then(
          () => false,
          (error) => reason('TOKEN_INVALID')(error),
        ),
      {
        timeoutMs: 10_000,
        what: 'the token to be void',
      },
    );
  });

  it('serves the sessions of a killed pod from the next one, and the restarted pod has a new incarnation', async () => {
    const mine = await phone.open(pod(0).connectSocket, 'correct horse');
    const first = decodeEpoch((await lease(0, mine)).answer.epoch);
    await pod(0).end('SIGKILL');
    assert.equal((await decide(1, mine.id, news)).grant?.allow, true);
    await pod(0).start();
    const second = decodeEpoch((await lease(0, mine)).answer.epoch);
    assert.ok(second.incarnation > first.incarnation);
  });

  it('drains and ends in order on SIGTERM', async () => {
    await pod(1).end('SIGTERM');
    assert.match(pod(1).log(), /"msg":"stopped"/);
    assert.doesNotMatch(pod(1).log(), /could not be stopped in order/);
    assert.equal((await decide(0, session.id, news)).grant?.allow, true);
    assert.ok(!pod(0).log().includes(session.id), 'no session id in the log');
  });
});

const reason =
  (expected: string) =>
  (error: unknown): true => {
    assert.equal(SallyportError.from(error).reason, expected);
    return true;
  };
