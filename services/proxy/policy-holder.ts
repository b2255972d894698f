import { loadPolicy } from '#core/policy/compile.ts';
import type { Policy } from '#core/policy/policy.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';

/** How long a request waits for the policy that its lease was given under; Watch brings it in no time. */
const waitMs = 500;

/** The newest policy that any security pod has told of; replaced whole. */
export class PolicyHolder {
  readonly #clock: Clock;
  readonly #log: Logger;
  #policy: Policy | undefined;
  /** Newest version that this release could not compile. */
  #refused = 0;
  readonly #waiting = new Set<() => void>();

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** 0: none yet. */
  get version(): number {
    return this.#policy?.version ?? 0;
  }

  /** Takes a policy if it is newer. One that cannot be compiled is refused: the older one stays. */
  offer(version: number, documentJson: string): void {
    if (version <= this.version) return;
    try {
      this.#policy = loadPolicy(JSON.parse(documentJson), version);
      this.#log.info({ version }, 'policy in force');
    } catch (err) {
      this.#refused = Math.max(this.#refused, version);
      this.#log.error({ err, version }, 'a policy cannot be compiled; the security tier has to decide by it');
    }
    for (const wake of this.#waiting) wake();
  }

  /**
   * The policy, at least of that version. Undefined when it does not come soon, or cannot be compiled here:
   * the tier then decides. Rejects with the signal's reason.
   */
  async atLeast(version: number, signal: AbortSignal): Promise<Policy | undefined> {
    if (this.#newEnough(version)) return this.#policy;
    if (this.#refused < version) await this.#news(version, signal);
    signal.throwIfAborted();
    return this.#newEnough(version) ? this.#policy : undefined;
  }

  #newEnough(version: number): boolean {
    return this.#policy !== undefined && this.#policy.version >= version;
  }

  #news(version: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting.delete(look);
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const look = (): void => {
        if (this.#newEnough(version) || this.#refused >= version) done();
      };
      const timer = this.#clock.setTimer(waitMs, done);
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.add(look);
      if (signal.aborted) done();
    });
  }
}
