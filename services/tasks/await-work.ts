import { SallyportError } from '#core/errors/error.ts';
import type { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import type { GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import { backoff } from '#kernel/time/backoff.ts';
import type { Clock } from '#kernel/time/clock.ts';

/** Milliseconds: a stream tells every 5 s that it lives. */
const silenceMs = 15_000;

export interface AwaitWorkDeps {
  readonly client: Pick<GrpcClient<typeof TaskService>, 'awaitWork'>;
  readonly onWork: () => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Pick<Logger, 'debug'>;
}

/** Hears from one security pod when there is work, until the signal. Never rejects: polling goes on meanwhile. */
export async function awaitWork(deps: AwaitWorkDeps, pod: string, stop: AbortSignal): Promise<void> {
  const { clock, log, random } = deps;
  const pause = backoff({ baseMs: 100, capMs: 2000 }, random);
  while (!stop.aborted) {
    try {
      await listen(deps, pod, stop, () => pause.reset());
    } catch (err) {
      if (!stop.aborted) log.debug({ err, from: pod }, 'a stream of news broke off');
    }
    // Woken early only by `stop`, which the loop looks at.
    await clock.sleep(pause.next(), stop).catch(() => undefined);
  }
}

async function listen(
  { client, clock, onWork }: AwaitWorkDeps,
  pod: string,
  stop: AbortSignal,
  onNews: () => void,
): Promise<void> {
  const silent = new AbortController();
  const giveUp = (): void => silent.abort(new SallyportError('DEADLINE', { message: `${pod} is silent` }));
  let timer = clock.setTimer(silenceMs, giveUp);
  try {
    const signal = AbortSignal.any([stop, silent.signal]);
    const { responses } = client.awaitWork({}, { signal, headers: { [podHeader]: pod } });
    let first = true;
    for await (const { work } of responses) {
      timer.cancel();
      timer = clock.setTimer(silenceMs, giveUp);
      onNews();
      // Nobody told of what came before it listened.
      if (work || first) onWork();
      first = false;
    }
  } finally {
    timer.cancel();
  }
}
