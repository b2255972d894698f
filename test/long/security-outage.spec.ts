import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { RevokeWait, SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createGrpcClient, type GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type DbGroup, type DbNode, startDbGroup } from '../db-group.ts';
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
  ],
};
const news = { method: 'GET', authority: 'intranet.example', path: '/news' };
const password = 'correct horse';
/** A pod that kept ten thousand calls, at some 50 KiB each, would end for want of it. MiB. */
const smallHeap = { NODE_OPTIONS: '--max-old-space-size=192' };
/** Milliseconds for a write that meets a failover on a machine that does other things, too. */
const patientMs = 60_000;

const reasonOf = (error: unknown): ErrorReason => SallyportError.from(error).reason;

describe('security pods while their database is away', function () {
  this.timeout(240_000);
  let group: DbGroup;
  let tier: SecurityPods;
  let phone: Phone;
  const { keep: kept, close: closeClients } = keptClients();

  const pod = (n: number): SecurityPod => podAt(tier, n);
  const authorizers = new Map<number, GrpcClient<typeof ProxyAuthorize>>();
  const decide = async (n: number, { id }: PhoneSession): Promise<boolean> => {
    const client =
      authorizers.get(n) ??
      kept(
        createGrpcClient(ProxyAuthorize, {
          address: `unix:${pod(n).grpcSocket}`,
          defaultDeadlineMs: 10_000,
          metadata: as('proxy', 'proxy-0'),
        }),
      );
    authorizers.set(n, client);
    const { grant } = await client.authorize({
      subject: { case: 'sessionId', value: id },
      request: news,
    });
    return grant?.allow === true;
  };
  /** @param keepaliveMs clients that differ in it have connections of their own */
  const operator = (n: number, keepaliveMs = 10_000): GrpcClient<typeof SessionService> =>
    kept(
      createGrpcClient(SessionService, {
        address: `unix:${pod(n).connectSocket}`,
        defaultDeadlineMs: patientMs,
        keepaliveMs,
        metadata: as('operator', 'alice'),
      }),
    );
  const open = (n: number): Promise<PhoneSession> => phone.open(pod(n).connectSocket, password);
  const behind = (n: number): number => pod(n).log().split('"writtenBehind":true').length - 1;
  const noPrimary = (): Promise<boolean> =>
    group.primary().then(
      () => false,
      () => true,
    );
  /** Kills nodes for good, until {@link revive}. */
  const killNodes = async (nodes: readonly DbNode[]): Promise<void> => {
    await Promise.all(nodes.flatMap((node) => [node.killAgent(), node.killMysqld()]));
    await Promise.all(nodes.map((node) => node.killMysqld()));
  };
  const revive = async (nodes: readonly DbNode[]): Promise<void> => {
    for (const node of nodes) node.startAgent();
    await group.online(3, 150_000);
  };

  before(async () => {
    group = await startDbGroup();
    await group.online(3, 150_000);
    tier = await securityPods(group, {
      names: ['sec-0', 'sec-1'],
      users: [{ name: 'ada', password, groups: ['staff'] }],
      policy,
    });
    await Promise.all(tier.pods.map((each) => each.start(smallHeap)));
    phone = await enrolPhone(pod(0).connectSocket, 'ada', patientMs);
  });
  after(async () => {
    closeClients();
    await tier?.close();
    await group?.close();
  });
  afterEach(function () {
    if (this.currentTest?.state !== 'failed') return;
    for (const each of tier.pods) console.error(each.log().split('\n').slice(-40).join('\n'));
  });

  it('without a primary go on: logins are written behind and known to every pod, changes are held', async () => {
    const earlier = await open(0);
    const primary = await group.primary();
    await primary.killMysqld();
    // Held until there is a primary again.
    const enrolling = enrolPhone(pod(1).connectSocket, 'ada', patientMs);
    const revoking = operator(0).revokeSessions({
      subject: { case: 'user', value: 'nobody' },
      reason: 'a test',
      wait: RevokeWait.COMMITTED,
    });
    await waitFor(noPrimary, { timeoutMs: 20_000, everyMs: 20, what: 'the loss to be noticed' });
    const opened: PhoneSession[] = [];
    let asked = 0;
    do {
      const session = await open(0);
      opened.push(session);
      for (const n of [0, 1, 0]) {
        assert.equal(await decide(n, session), true);
        assert.equal(await decide(n, earlier), true);
        asked += 2;
      }
    } while (await noPrimary());
    assert.ok(behind(0) > 0, `of ${opened.length} sessions none was written behind`);
    assert.ok(asked >= 6);
    assert.ok((await enrolling).routeKey);
    assert.ok((await revoking).position > 0n);
    // They are stored in the end, so that they outlive all pods that knew them.
    await waitFor(
      async () => {
        const { sessions } = await operator(1).listSessions({ user: 'ada', pageSize: 500 });
        const handles = new Set(sessions.map((each) => each.handle));
        return opened.every(({ id }) => handles.has(id.slice(0, id.lastIndexOf('.'))));
      },
      { timeoutMs: 60_000, what: 'all sessions to be stored' },
    );
    await pod(0).end('SIGKILL');
    await pod(1).end('SIGKILL');
    await pod(0).start(smallHeap);
    for (const session of [earlier, ...opened]) assert.equal(await decide(0, session), true);
    await pod(1).start(smallHeap);
    await group.online(3, 150_000);
  });

  it('without a majority decide on for 15 s and more, hold ten thousand changes in little memory, then say when to retry; all is well when it is back', async () => {
    const held = await open(0);
    const other = await open(1);
    assert.equal(await decide(0, held), true);
    const [last] = (await Promise.all(group.nodes.map((node) => node.status()))).filter(
      (status) => status.role === 'SECONDARY',
    );
    const gone = group.nodes.filter((node) => node.pod !== last?.pod);
    const before = memoryOf(pod(0));
    const start = performance.now();
    await killNodes(gone);
    const waiting: Promise<'done' | SallyportError>[] = [];
    const flood = (async () => {
      const revokers = Array.from({ length: 12 }, (_, n) => operator(0, 20_000 + n));
      for (let n = 0; n < 850; n++) {
        for (const client of revokers) {
          const request = { subject: { case: 'user', value: `nobody-${n}` }, reason: 'a test' } as const;
          const call = client.revokeSessions(request, { timeoutMs: 60_000 });
          waiting.push(
            call.then(
              () => 'done',
              (error) => SallyportError.from(error),
            ),
          );
        }
        // This process has others to serve: the decisions below, and the way to the database.
        if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    let peak = before;
    let decided = 0;
    let refused: SallyportError | undefined;
    while (refused === undefined) {
      try {
        assert.equal(await decide(0, held), true);
        decided++;
      } catch (error) {
        refused = SallyportError.from(error);
      }
      peak = Math.max(peak, memoryOf(pod(0)));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const goneOnMs = performance.now() - start;
    console.log(`      ${decided} decisions in ${Math.round(goneOnMs)} ms without a majority`);
    assert.ok(
      goneOnMs >= 15_000,
      `decisions ended after ${goneOnMs} ms: ${refused.reason} ${refused.message}`,
    );
    assert.ok(decided >= 10);
    assert.deepEqual([refused.status, refused.reason], ['UNAVAILABLE', 'STALE']);
    assert.ok((refused.retryAfterMs ?? 0) > 0);
    // Logins, and sessions that are elsewhere: the same answer, and no hang.
    await assert.rejects(open(1), unavailableWithRetry);
    await assert.rejects(decide(0, other), unavailableWithRetry);

    await flood;
    const answers = await Promise.all(waiting);
    const reasons = new Map<string, number>();
    for (const answer of answers) {
      const reason = answer === 'done' ? 'done' : answer.reason;
      reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
      if (answer !== 'done') unavailableWithRetry(answer);
    }
    const grownMib = (peak - before) / 2 ** 20;
    console.log(`      ${JSON.stringify([...reasons])}, ${Math.round(grownMib)} MiB more at most`);
    assert.equal(answers.length, 10_200);
    assert.ok((reasons.get('DB_UNAVAILABLE') ?? 0) >= 900, 'as many as may wait did wait');

    assert.doesNotMatch(pod(0).log(), /heap out of memory/i);

    await revive(gone);
    await waitFor(() => decide(0, held), { timeoutMs: 60_000, what: 'decisions to go on' });
    assert.equal(await decide(0, other), true);
    assert.equal(await decide(1, await open(0)), true);
  });

  it('with persistence off hand sessions over, back and forth, and a pod that is stopped gives them away', async () => {
    const off = { SALLYPORT_SECURITY_SESSIONS__PERSISTENCE: 'off' };
    for (const each of tier.pods) {
      await each.end('SIGTERM');
      await each.start(off);
    }
    const sessions = await Promise.all(Array.from({ length: 10 }, (_, n) => open(n % 2)));
    const stored = await storedHandles();
    for (const { id } of sessions) assert.ok(!stored.has(id.slice(0, id.lastIndexOf('.'))));
    // As when health checks flap: everybody asks at both pods at once.
    for (let round = 0; round < 20; round++) {
      const decisions = sessions.flatMap((session) => [decide(0, session), decide(1, session)]);
      assert.ok((await Promise.all(decisions)).every((allowed) => allowed));
    }
    await pod(0).end('SIGTERM');
    for (const session of sessions) assert.equal(await decide(1, session), true);
    // What is in no database dies with its pod, and nobody is left in doubt for long.
    await pod(0).start(off);
    await pod(1).end('SIGKILL');
    const [mine] = sessions;
    assert.ok(mine);
    await waitFor(
      () =>
        decide(0, mine).then(
          () => false,
          (error) => reasonOf(error) === 'SESSION_UNKNOWN',
        ),
      { timeoutMs: 60_000, what: 'the session to be given up' },
    );
    assert.equal(await decide(0, await open(0)), true);
  });

  async function storedHandles(): Promise<Set<string>> {
    const { sql } = await import('kysely');
    const { openDb } = await import('#kernel/db/open-db.ts');
    const db = openDb<{ sessions: { handle: string } }>({
      socketPath: group.rwSocket,
      user: 'sallyport',
      password: group.passwords.app,
    });
    const { rows } = await db.read((on) => sql<{ handle: string }>`select handle from sessions`.execute(on));
    await db.close();
    return new Set(rows.map((row) => row.handle));
  }
});

/** Resident bytes. */
function memoryOf(pod: SecurityPod): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pod.pid()}/status`, 'utf8'))?.[1];
  return Number(kib) * 1024;
}

function unavailableWithRetry(thrown: unknown): true {
  const error = SallyportError.from(thrown);
  assert.equal(error.status, 'UNAVAILABLE', `${error.reason}: ${error.message}`);
  assert.ok((error.retryAfterMs ?? 0) > 0, `${error.reason} does not say when to retry`);
  return true;
}
