import { SallyportError } from '#core/errors/error.ts';
import { type RevocationEntry, RevocationKind } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import { backoff } from '#kernel/time/backoff.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Attachment } from './attachment.ts';
import type { Attachments } from './attachments.ts';
import type { PolicyHolder } from './policy-holder.ts';
import type { SecurityTier } from './security-tier.ts';

/** Heartbeats come every second; a stream that is silent for so long is given up and opened anew. */
const silenceMs = 5000;

export interface WatchDeps {
  readonly tier: Pick<SecurityTier, 'watch'>;
  readonly attachments: Attachments;
  readonly policies: PolicyHolder;
  readonly clock: Clock;
  readonly log: Logger;
  /** Name of this proxy. */
  readonly proxy: string;
  readonly random?: () => number;
}

/** Keeps one Watch open to one security pod until the signal; goes on where the one before broke off. */
export async function watchPod(deps: WatchDeps, pod: string, stop: AbortSignal): Promise<void> {
  const { clock, log } = deps;
  const pause = backoff({ baseMs: 100, capMs: 2000 }, deps.random ?? Math.random);
  let position = 0;
  while (!stop.aborted) {
    try {
      position = await watchOnce(deps, pod, position, stop, () => pause.reset());
    } catch (error) {
      if (stop.aborted) return;
      log.debug({ err: error, pod }, 'watch broke off');
    }
    await clock.sleep(pause.next(), stop).catch(() => undefined);
  }
}

async function watchOnce(
  deps: WatchDeps,
  pod: string,
  from: number,
  stop: AbortSignal,
  onHello: () => void,
): Promise<number> {
  const silent = new AbortController();
  const watch = deps.tier.watch(pod, AbortSignal.any([stop, silent.signal]));
  let timer = deps.clock.setTimer(silenceMs, () => silent.abort());
  let position = from;
  try {
    await watch.send({
      kind: {
        case: 'start',
        value: {
          proxy: deps.proxy,
          position: BigInt(from),
          policyVersion: BigInt(deps.policies.version),
        },
      },
    });
    for await (const { kind } of watch.responses) {
      timer.cancel();
      timer = deps.clock.setTimer(silenceMs, () => silent.abort());
      switch (kind.case) {
        case 'hello':
          deps.log.info({ pod, incarnation: kind.value.incarnation }, 'watching');
          onHello();
          break;
        case 'policy':
          deps.policies.offer(Number(kind.value.version), kind.value.documentJson);
          break;
        case 'revocation':
          carryOut(deps, kind.value);
          position = Number(kind.value.position);
          await watch.send({ kind: { case: 'acknowledgedPosition', value: kind.value.position } });
          break;
        case 'heartbeat':
          position = Math.max(position, Number(kind.value.position));
          break;
        default:
          throw new SallyportError('MALFORMED', { message: 'a message of no known kind on a watch' });
      }
    }
    return position;
  } catch (error) {
    // What has been carried out need not come again.
    if (position === from) throw error;
    deps.log.debug({ err: error, pod }, 'watch broke off');
    return position;
  } finally {
    timer.cancel();
    watch.cancel();
  }
}

/** Ends what the entry names: attachments, and with them their streams. */
function carryOut(deps: WatchDeps, entry: RevocationEntry): void {
  const { subject, kind } = entry;
  const position = Number(entry.position);
  const names: Partial<Record<RevocationKind, (attachment: Attachment) => boolean>> = {
    [RevocationKind.SESSION]: (each) => each.handle === subject,
    [RevocationKind.DEVICE]: (each) => each.lease.facts.deviceId === subject,
    [RevocationKind.USER]: (each) => each.lease.facts.user === subject,
    [RevocationKind.GROUPS]: (each) => each.lease.facts.user === subject,
    [RevocationKind.SHARED_KEY]: (each) => each.routeKey === subject,
    [RevocationKind.EVERYBODY]: () => true,
  };
  // A kind that this release does not know may mean anybody: all attach again, and the tier tells them.
  const matches = names[kind] ?? (() => true);
  // Whoever gave a later lease knew of the entry and found the session not concerned.
  const cut = deps.attachments.removeWhere(
    (each) => each.lease.feedPosition < position && matches(each),
    new SallyportError('SESSION_REVOKED'),
  );
  if (cut > 0) deps.log.info({ position, cut }, 'attachments ended by a revocation');
}
