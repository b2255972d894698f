import { SallyportError } from '#core/errors/error.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { suspectFrom } from '../store/claims.ts';
import type { Claim, ClaimedTask, TaskStore } from '../store/task-store.ts';
import type { TaskRegistry } from './definition.ts';
import { runTask } from './run-task.ts';

export interface WorkerOptions {
  /** Of this worker: the pod and its incarnation. At most 80 ASCII characters. */
  readonly name: string;
  readonly store: Pick<TaskStore, 'claim' | 'renew' | 'journal' | 'release' | 'ripen'>;
  readonly registry: TaskRegistry;
  readonly clock: Clock;
  /** Database time, Unix milliseconds. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Tasks at a time; default 64. */
  readonly parallel?: number;
  /** Milliseconds for which a claim holds without being renewed: so long a dead worker's tasks wait. Default 3000. */
  readonly claimMs?: number;
  /** What this worker is called where tasks are bound to hosts: its pod, its machine. Default: nothing. */
  readonly places?: readonly string[];
  /** Milliseconds between two looks for work of which nobody has told; default 500. */
  readonly pollMs?: number;
}

export interface Worker {
  /** There is work. */
  wake(): void;
  /** Tasks that it runs now. */
  readonly running: number;
  /** Claims nothing more, breaks off what it runs (another worker goes on at once), and resolves when it has let go. */
  close(): Promise<void>;
}

/** Claimed at a time at most, so that workers share what comes at once. */
const maxClaims = 20;
const maxRipe = 200;

interface Running {
  readonly claim: Claim;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  cancelRequested: boolean;
  /** Until it leaves a trace. */
  suspect: boolean;
  /** `Clock.monotonic` until which the claim certainly holds. */
  holdsUntil: number;
}

/** Claims tasks, runs them, and keeps its claims while it does. */
export function startWorker(options: WorkerOptions): Worker {
  const { name, store, registry, clock, log, parallel = 64, claimMs = 3000, pollMs = 500 } = options;
  const running = new Map<string, Running>();
  let closing = false;
  let looking: Promise<void> | undefined;
  let again = false;
  /** Since when the database has answered all along; undefined while it does not. */
  let answersSince: number | undefined;

  const run = async (task: ClaimedTask, own: Omit<Running, 'ended'>): Promise<void> => {
    const { id, fence, kind, version } = task;
    const claim = { id, fence };
    try {
      const definition = registry.find(kind, version);
      if (definition === undefined) throw new SallyportError('TASK_KIND_UNKNOWN');
      const release = await runTask(definition, task, {
        now: options.now,
        random: options.random,
        registry,
        journal: async (entry) => {
          const row = await store.journal(claim, entry);
          own.suspect = false;
          return row;
        },
        cancelRequested: () => task.cancelRequested || own.cancelRequested,
        signal: own.stop.signal,
      });
      await store.release(claim, release);
      if (release.to === 'dead') log.error({ task: id, kind, error: release.error }, 'a task is put aside');
    } catch (thrown) {
      const { reason } = SallyportError.from(thrown);
      if (reason === 'CLAIM_LOST') return;
      log.warn({ err: thrown, task: id, kind }, 'a task goes on elsewhere');
      // Should this fail, too, the claim runs out.
      await store
        .release(claim, { to: 'open', dueMs: options.now(), wakes: task.wakes })
        .catch(() => undefined);
    } finally {
      running.delete(id);
      if (!closing) wake();
    }
  };

  const take = (task: ClaimedTask, holdsUntil: number): void => {
    const { id, fence, cancelRequested } = task;
    const suspect = task.attempts > suspectFrom;
    const own = { claim: { id, fence }, stop: new AbortController(), cancelRequested, suspect, holdsUntil };
    const entry: Running = Object.assign(own, { ended: Promise.resolve().then(() => run(task, own)) });
    running.set(id, entry);
  };

  const kinds = registry.all.map(({ kind, version }) => ({ kind, version }));
  const look = async (): Promise<void> => {
    for (;;) {
      again = false;
      const limit = Math.min(maxClaims, parallel - running.size);
      if (closing || limit <= 0) return;
      const asked = clock.monotonic();
      // One at a time, so that what ends its worker is found out, and takes nobody with it but those beside it.
      const suspect = [...running.values()].every((each) => !each.suspect);
      const claimed = await store.claim({
        worker: name,
        kinds,
        limit,
        forMs: claimMs,
        suspect,
        places: options.places,
      });
      for (const task of claimed) take(task, asked + claimMs);
      if (claimed.length < limit && !again) return;
    }
  };

  function wake(): void {
    again = true;
    if (closing || looking !== undefined) return;
    looking = look()
      .catch((error: unknown) => log.warn({ err: error }, 'tasks cannot be claimed'))
      .finally(() => {
        looking = undefined;
      });
  }

  const renew = async (): Promise<void> => {
    const asked = clock.monotonic();
    const mine = [...running.values()];
    if (mine.length === 0) return;
    const held = await store.renew(
      mine.map(({ claim }) => claim),
      claimMs,
    );
    const cancelled = new Map(held.map((each) => [each.id, each.cancelRequested]));
    for (const each of mine) {
      const requested = cancelled.get(each.claim.id);
      if (requested === undefined) continue;
      each.holdsUntil = asked + claimMs;
      each.cancelRequested ||= requested;
    }
  };

  /** Whose claim has run out may be running elsewhere already. */
  const letGo = (): void => {
    for (const { stop, holdsUntil, claim } of running.values()) {
      if (clock.monotonic() < holdsUntil || stop.signal.aborted) continue;
      stop.abort(
        new SallyportError('CLAIM_LOST', { message: `the claim on ${claim.id} was not renewed in time` }),
      );
    }
  };

  let renewing = false;
  const renewals = clock.setRepeating(claimMs / 4, () => {
    letGo();
    if (renewing) return;
    renewing = true;
    renew()
      .catch((error: unknown) => log.warn({ err: error }, 'claims cannot be renewed'))
      .finally(() => {
        renewing = false;
      });
  });
  let ripening = false;
  const polls = clock.setRepeating(pollMs, () => {
    if (ripening || closing) return;
    ripening = true;
    const asked = clock.monotonic();
    // After an outage those who live renew their claims before anybody takes them for dead.
    const expired = answersSince !== undefined && asked - answersSince >= claimMs;
    store
      .ripen({ limit: maxRipe, expired })
      .then(
        () => {
          answersSince ??= asked;
          wake();
        },
        (error: unknown) => {
          answersSince = undefined;
          log.warn({ err: error }, 'tasks whose time has come cannot be looked for');
        },
      )
      .finally(() => {
        ripening = false;
      });
  });
  wake();

  return {
    wake,
    get running() {
      return running.size;
    },
    close: async () => {
      closing = true;
      polls.cancel();
      await looking;
      for (const { stop } of running.values()) {
        stop.abort(new SallyportError('UNAVAILABLE', { message: 'this worker is stopping' }));
      }
      await Promise.all([...running.values()].map(({ ended }) => ended));
      renewals.cancel();
    },
  };
}
