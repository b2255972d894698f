import { SallyportError } from '#core/errors/error.ts';
import { loadPolicy } from '#core/policy/compile.ts';
import type { Policy } from '#core/policy/policy.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock } from '#kernel/time/clock.ts';

/** How long a request waits for the policy that its lease was given under. */
const waitMs = 2000;

/** The newest policy that any security pod has told of; replaced whole. */
export class PolicyHolder {
  readonly #clock: Clock;
  readonly #log: Logger;
  #policy: Policy | undefined;
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
    } catch (error) {
      this.#log.error({ err: error, version }, 'a policy cannot be compiled; the one before stays in force');
      return;
    }
    this.#log.info({ version }, 'policy in force');
    for (const wake of this.#waiting) wake();
  }

  /** The policy, at least of that version. @throws UNAVAILABLE when it does not come in time */
  async atLeast(version: number, signal: AbortSignal): Promise<Policy> {
    const held = this.#policy;
    if (held !== undefined && held.version >= version) return held;
    await this.#news(version, signal);
    const { version: now } = this;
    if (this.#policy !== undefined && now >= version) return this.#policy;
    throw new SallyportError('UNAVAILABLE', {
      message: `this proxy has policy ${now} and needs ${version}`,
      retryAfterMs: 500,
    });
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
        if (this.version >= version) done();
      };
      const timer = this.#clock.setTimer(waitMs, done);
      signal.addEventListener('abort', done);
      this.#waiting.add(look);
      if (signal.aborted) done();
    });
  }
}
