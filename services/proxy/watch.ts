import { SallyportError } from '#core/errors/error.ts';
import type { WatchHello, WatchResponse } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import { backoff } from '#kernel/time/backoff.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { counts } from './metrics.ts';
import type { PolicyHolder } from './policy-holder.ts';
import type { Revocations } from './revocations.ts';
import type { SecurityTier } from './security-tier.ts';

/** Heartbeats come every second; a stream that is silent for so long is given up and opened anew. */
const silenceMs = 5000;

export interface WatchDeps {
  readonly tier: Pick<SecurityTier, 'watch'>;
  readonly revocations: Revocations;
  readonly policies: Pick<PolicyHolder, 'version' | 'offer'>;
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
  while (!stop.aborted) {
    try {
      await watchOnce(deps, pod, stop, () => pause.reset());
      log.debug({ watched: pod }, 'a watch has ended');
    } catch (err) {
      if (stop.aborted) return;
      log.debug({ err, watched: pod }, 'a watch broke off');
    }
    // Woken early only by `stop`, which the loop looks at.
    await clock.sleep(pause.next(), stop).catch(() => undefined);
  }
}

async function watchOnce(deps: WatchDeps, pod: string, stop: AbortSignal, onNews: () => void): Promise<void> {
  const { clock, proxy, policies, revocations } = deps;
  const silent = new AbortController();
  const giveUp = (): void =>
    silent.abort(new SallyportError('DEADLINE', { message: `${pod} has been silent for ${silenceMs} ms` }));
  const watch = deps.tier.watch(pod, AbortSignal.any([stop, silent.signal]));
  let timer = clock.setTimer(silenceMs, giveUp);
  const position = revocations.resumeAt(pod);
  const news = new News(deps, pod, position);
  try {
    await watch.send({
      kind: {
        case: 'start',
        value: { proxy, position: BigInt(position), policyVersion: BigInt(policies.version) },
      },
    });
    for await (const message of watch.responses) {
      timer.cancel();
      timer = clock.setTimer(silenceMs, giveUp);
      const acknowledge = news.take(message);
      if (message.kind.case !== 'hello') onNews();
      if (acknowledge === undefined) continue;
      await watch.send({ kind: { case: 'acknowledgedPosition', value: acknowledge } });
    }
  } finally {
    timer.cancel();
    watch.cancel();
  }
}

/** What one Watch tells, carried out. */
class News {
  readonly #deps: WatchDeps;
  readonly #pod: string;
  /** Where it began: everything after that is told. Undefined until known, if it began at the pod's own position. */
  #since: number | undefined;
  #era: number | undefined;
  #begun = false;

  constructor(deps: WatchDeps, pod: string, position: number) {
    this.#deps = deps;
    this.#pod = pod;
    this.#since = position > 0 ? position : undefined;
  }

  /** Gives the position to acknowledge, if there is one: after whatever it ends has been cut. */
  take({ kind }: WatchResponse): bigint | undefined {
    const { revocations, policies, log } = this.#deps;
    if (kind.case === 'hello') return this.#hello(kind.value);
    if (this.#era !== revocations.era) {
      throw new SallyportError('STALE', { message: `${this.#pod} speaks of an era that is past` });
    }
    switch (kind.case) {
      case 'policy':
        policies.offer(Number(kind.value.version), kind.value.documentJson);
        return undefined;
      case 'revocation': {
        const position = Number(kind.value.position);
        this.#begin(position - 1);
        const cut = revocations.carryOut(kind.value);
        revocations.told(this.#pod, position);
        counts.revoked.add(cut);
        if (cut > 0) log.info({ position, cut }, 'attachments ended by a revocation');
        return kind.value.position;
      }
      case 'heartbeat': {
        const position = Number(kind.value.position);
        this.#begin(position);
        revocations.told(this.#pod, position);
        return undefined;
      }
      default:
        // A newer release says something that is not for this one.
        log.warn({ watched: this.#pod }, 'a message of no known kind on a watch');
        return undefined;
    }
  }

  #hello({ pod, era, incarnation }: WatchHello): undefined {
    if (pod !== this.#pod) {
      throw new SallyportError('INTERNAL', { message: `${pod} answered for ${this.#pod}` });
    }
    this.#deps.revocations.enterEra(era);
    this.#era = era;
    this.#deps.log.info({ watched: pod, incarnation, era }, 'watching');
  }

  #begin(since: number): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#deps.revocations.watching(this.#pod, this.#since ?? since);
  }
}
