/** The tier that a proxy asks for a lease every few seconds: the stand-in of its specs, in a process of its own. */
import { silentLogger } from '#kernel/log/logger.ts';
import { type FakeSession, startFakeTier } from '#services/proxy/test/fake-tier.ts';
import { serveBench } from '../harness/child.ts';

/** As long as real assertions are: the stand-in's hold the user's name. */
const user = `ada${'.'.repeat(420)}`;

export interface GivenSession extends Pick<FakeSession, 'id' | 'routeKey'> {
  /** base64 */
  readonly key: string;
}

serveBench(async ({ socket, policy }: { socket: string; policy: unknown }) => {
  const tier = await startFakeTier(socket, { pod: 'sec-0', policy, log: silentLogger });
  return async ({ sessions }: { sessions: number }): Promise<GivenSession[]> =>
    Array.from({ length: sessions }, () => {
      const { id, routeKey, key } = tier.session(user);
      return { id, routeKey, key: Buffer.from(key).toString('base64') };
    });
});
