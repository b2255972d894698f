import { RevokeWait } from '#gen/sallyport/session/v1/session_pb.js';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';

/** For how long whoever ends sessions waits. */
export interface WaitOption {
  readonly wait: 'committed' | 'fleet';
}

/** Longer than a lease and the time for which a pod may go on without the feed: FLEET always ends before. */
const fleetMs = 150_000;
export const committedMs = 15_000;

/** How the tier is asked to end sessions, and what is told of its answer. */
export function waitFor(wait: WaitOption['wait'], { report, signal }: CommandContext) {
  const fleet = wait === 'fleet';
  if (fleet) report.progress('waiting until nobody can accept them any more');
  return {
    wire: fleet ? RevokeWait.FLEET : RevokeWait.COMMITTED,
    call: { signal, timeoutMs: fleet ? fleetMs : committedMs },
    outcome: (ended: {
      readonly position: bigint;
      readonly everywhere: boolean;
    }): Outcome & { readonly items: Readonly<Record<string, unknown>> } => {
      const { position, everywhere } = ended;
      report.say(
        everywhere
          ? `Revoked, and over everywhere (position ${position} of the feed).`
          : `Revoked (position ${position} of the feed); it reaches everybody within seconds.`,
      );
      if (fleet && !everywhere) {
        report.say(
          'Not everybody has said so in time; run it again to wait on, and `sallyport status` tells who is away.',
        );
      }
      return { ok: everywhere || !fleet, items: { position: Number(position), everywhere } };
    },
  };
}
