import { RevokeWait } from '#gen/sallyport/session/v1/session_pb.js';
import type { CallContext } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Feed } from './feed.ts';

export interface AnnouncedDeps {
  readonly feed: Pick<Feed, 'announce'>;
  readonly clock: Clock;
}

/** Announces a committed entry, and waits for the fleet if the caller wants to; not past the caller's deadline. */
export async function announced(
  { feed, clock }: AnnouncedDeps,
  position: number,
  wait: RevokeWait,
  call: CallContext,
): Promise<{ position: bigint; everywhere: boolean }> {
  if (wait !== RevokeWait.FLEET) {
    await feed.announce(position, 'COMMITTED');
    return { position: BigInt(position), everywhere: false };
  }
  const everywhere = await Promise.race([
    feed.announce(position, 'FLEET').then((result) => result.everywhere),
    deadlineNears(clock, call),
  ]);
  return { position: BigInt(position), everywhere };
}

/** Milliseconds before the caller's deadline at which it is answered. */
const answerAheadMs = 250;

/** The caller's time is almost over; the entry stands all the same. */
async function deadlineNears(clock: Clock, { deadlineMs, signal }: CallContext): Promise<false> {
  // Without a deadline FLEET ends by itself: everybody's time runs out some time.
  const left = deadlineMs === undefined ? 2 ** 30 : deadlineMs - Date.now() - answerAheadMs;
  try {
    await clock.sleep(left, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return false;
}
