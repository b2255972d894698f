import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { as } from '../../security-bench.ts';
import type { World } from './world.ts';

/** Asks every pod something small, all the time; `stop` gives the milliseconds of the slowest answer. */
export function answersMeanwhile({ tier }: World): { stop(): Promise<number> } {
  let over = false;
  let slowest = 0;
  const asking = tier.pods.map(async ({ connectSocket }) => {
    const metadata = as('edge', 'edge-0');
    const client = createGrpcClient(KeyStore, {
      address: `unix:${connectSocket}`,
      defaultDeadlineMs: 30_000,
      metadata,
    });
    try {
      while (!over) {
        const begun = systemClock.monotonic();
        await client.getServerKeys({});
        slowest = Math.max(slowest, systemClock.monotonic() - begun);
        await systemClock.sleep(20);
      }
    } finally {
      client.close();
    }
  });
  return {
    stop: async () => {
      over = true;
      await Promise.all(asking);
      return Math.round(slowest);
    },
  };
}
