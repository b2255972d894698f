import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { type Folders, logFile, socketPath, xdsFile } from '#compose/topology/paths.ts';
import { askAdmin } from '#envoy/admin/ask.ts';
import { readStats } from '#envoy/admin/stats.ts';
import { type Subscription, subscriptionStats, subscriptionsIn } from '#envoy/admin/subscriptions.ts';
import { type Refusal, refusalsIn } from '#envoy/check/refusals.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { waitFor } from '#kernel/time/wait-for.ts';

/** Milliseconds for a sidecar to take what was written: 60 ms on an idle machine, and this one may be starved. */
const takeMs = 30_000;
const everyMs = 25;
/** Milliseconds for its log to tell why it has refused something. */
const reasonMs = 5000;
/** What a sidecar says about a refusal fits into this. */
const maxLogTail = 256 * 1024;

/** Why a sidecar has not taken what was written for it. */
export interface NotTaken {
  readonly pod: string;
  /** `refused`: it goes on with what it had. `silent`: it does not answer, and reads its files when it starts. */
  readonly how: 'refused' | 'silent';
  readonly refusals: readonly Refusal[];
  readonly message: string;
}

/** Looks whether one running sidecar takes its files; begun before they are written. */
export class TakeWatch {
  readonly #folders: Folders;
  readonly #pod: string;
  readonly #clock: Clock;
  readonly #logFrom: number;
  #before: ReadonlyMap<string, number> | undefined;

  private constructor(folders: Folders, pod: string, clock: Clock) {
    this.#folders = folders;
    this.#pod = pod;
    this.#clock = clock;
    this.#logFrom = statSync(this.#log, { throwIfNoEntry: false })?.size ?? 0;
  }

  static async begin(folders: Folders, pod: string, clock: Clock): Promise<TakeWatch> {
    const watch = new TakeWatch(folders, pod, clock);
    // One that does not answer now is found silent later.
    const now = await watch.#subscriptions().catch(() => undefined);
    watch.#before = now && new Map(now.map((each) => [keyOf(each), troubles(each)]));
    return watch;
  }

  /** Resolves once every subscription runs with its file's version; or to why that will not be. */
  async taken(): Promise<NotTaken | undefined> {
    try {
      return (
        (await waitFor(async () => (await this.#look()) ?? false, {
          timeoutMs: takeMs,
          everyMs,
          what: `${this.#pod} to take its configuration`,
          clock: this.#clock,
        })) || undefined
      ).notTaken;
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { pod: this.#pod, how: 'silent', refusals: [], message };
    }
  }

  async #look(): Promise<{ notTaken: NotTaken | undefined } | undefined> {
    const now = await this.#subscriptions();
    // It was started meanwhile: what it has refused since then counts.
    const before = this.#before ?? new Map<string, number>();
    const behind = now.filter((each) => this.#wanted(each) !== each.version);
    const refused = behind.filter((each) => troubles(each) > (before.get(keyOf(each)) ?? 0));
    if (refused.length > 0) return { notTaken: await this.#refused(refused) };
    return behind.length === 0 ? { notTaken: undefined } : undefined;
  }

  async #refused(subscriptions: readonly Subscription[]): Promise<NotTaken> {
    const refusals = await this.#reasons();
    const words = refusals.map(
      ({ type, resource, reason }) => `${type ?? 'resource'}/${resource ?? '?'}: ${reason}`,
    );
    const message =
      words.length > 0
        ? words.join('; ')
        : `${subscriptions.map(keyOf).join(', ')}; its log level hides the reason`;
    return { pod: this.#pod, how: 'refused', refusals, message };
  }

  /** What its log says. Envoy writes that every 10 s, or when its logs are opened anew. */
  async #reasons(): Promise<readonly Refusal[]> {
    const admin = socketPath(this.#folders, this.#pod, 'admin');
    try {
      return await waitFor(
        async () => {
          await askAdmin(admin, '/reopen_logs', { method: 'POST' });
          const refusals = refusalsIn(tail(this.#log, this.#logFrom));
          return refusals.length > 0 && refusals;
        },
        { timeoutMs: reasonMs, everyMs: 100, what: 'its log', clock: this.#clock },
      );
    } catch {
      // It logs nothing at its level; that it has refused counts all the same.
      return [];
    }
  }

  async #subscriptions(): Promise<Subscription[]> {
    return subscriptionsIn(await readStats(socketPath(this.#folders, this.#pod, 'admin'), subscriptionStats));
  }

  /** The version in the file that a subscription reads; its own if there is no such file (any more). */
  #wanted({ type, resource, version }: Subscription): string {
    return versionIn(xdsFile(this.#folders, this.#pod, type, resource)) ?? version;
  }

  get #log(): string {
    return logFile(this.#folders, this.#pod, 'envoy');
  }
}

const keyOf = ({ type, resource }: Pick<Subscription, 'type' | 'resource'>): string => `${type}/${resource}`;
const troubles = ({ rejected, failed }: Subscription): number => rejected + failed;

function versionIn(file: string): string | undefined {
  const text = readIfThere(file);
  return text === undefined ? undefined : (JSON.parse(text) as { version_info: string }).version_info;
}

function tail(file: string, from: number): string {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const begin = Math.max(size < from ? 0 : from, size - maxLogTail);
  if (size <= begin) return '';
  const fd = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(size - begin);
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, begin));
  } finally {
    closeSync(fd);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
