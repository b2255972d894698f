import assert from 'node:assert/strict';
import { SallyportError } from '#core/errors/error.ts';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { beginOidc, completeOidc } from '#sdk/oidc.ts';
import { askScim, patchSchema, userSchema } from '../../directory/scim.ts';
import { put } from '../../directory/sources.ts';
import { enrolPhone } from '../../phone.ts';
import { as } from '../../security-bench.ts';
import { podAt } from '../../security-pods.ts';
import type { World } from './world.ts';

/** Seconds from a push that deactivates a user, who logged in by a provider, until another pod says that the session is over. */
export async function untilPushedOut(world: Pick<World, 'tier' | 'sources' | 'provider'>): Promise<number> {
  const { tier, sources, provider } = world;
  const [here, there] = [podAt(tier, 0), podAt(tier, 1)];
  await put(sources, 'idp', { scim: true, timeoutMs: 1000, pageSize: 100, maxRemovalPercent: 5 }, '');
  const { token: bearer } = await sources.createScimToken({ source: 'idp' });
  const ask = async (method: string, path: string, body: object): Promise<{ readonly id: string }> => {
    const answer = await askScim({ connectSocket: here.connectSocket, bearer, method, path, body });
    assert.ok(answer.status < 300, JSON.stringify(answer.body));
    return answer.body;
  };
  const { id } = await ask('POST', '/Users', { schemas: [userSchema], userName: 'pushed' });
  const phone = await enrolPhone(here.connectSocket, 'pushed');
  const attempt = beginOidc(provider.client, phone.routeKey);
  const returned = await provider.browse(attempt.url, { user: 'pushed' });
  const openId = await completeOidc(provider.client, attempt, returned);
  const session = await phone.openBy(here.connectSocket, openId);
  const sessions = createGrpcClient(SessionService, {
    address: `unix:${there.connectSocket}`,
    defaultDeadlineMs: 30_000,
    metadata: as('operator', 'alice'),
  });
  const why = (): Promise<string> =>
    sessions.getSession({ sessionId: session.id }).then(
      () => '',
      (error: unknown) => SallyportError.from(error).reason,
    );
  try {
    assert.equal(await why(), '');
    const begun = systemClock.monotonic();
    const Operations = [{ op: 'replace', value: { active: false } }];
    await ask('PATCH', `/Users/${id}`, { schemas: [patchSchema], Operations });
    await waitFor(async () => (await why()) === 'SESSION_REVOKED', {
      timeoutMs: 120_000,
      everyMs: 20,
      what: 'the session to end',
    });
    return Math.round((systemClock.monotonic() - begun) / 10) / 100;
  } finally {
    sessions.close();
  }
}
