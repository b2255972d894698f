import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Kysely } from 'kysely';
import { SallyportError } from '#core/errors/error.ts';
import { SyncKind, type SyncRun, SyncState } from '#gen/sallyport/directory/v1/sources_pb.js';
import type { Hosts } from '#kernel/ldap/hosts.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Clock, Timer } from '#kernel/time/clock.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import type { SecurityTables } from '../store/tables.ts';
import type { SourceRow } from '../store/tables-sources.ts';
import { type ApplyDeps, type SourceLease, underLease } from './apply-plan.ts';
import { isUnchanged } from './read-changes.ts';
import { orderRun, runFromText, runToText } from './run-store.ts';
import { mayRunOn, settingsFromText } from './settings.ts';
import type { Stamp } from './snapshot.ts';
import { accessTo } from './source-store.ts';
import { SyncProcesses } from './sync-child.ts';
import type { SyncEnd } from './synchronise.ts';

export interface RunnerDeps extends ApplyDeps {
  readonly hosts: Hosts;
  readonly pod: string;
  /** What else this pod is called where sources are bound to hosts. */
  readonly host: string;
  /** `sources.hosts`: where any source may run. */
  readonly runsAt: readonly string[];
  readonly dataKeys: DataKeys;
  readonly log: Logger;
}

/** Milliseconds between two looks for work. */
const lookMs = 2000;
/** Milliseconds without a word after which another pod goes on. */
const leaseMs = 20_000;
/** Milliseconds between two words about how far it is. */
const tellMs = 1000;
/** Milliseconds after which one that failed is tried again, unless its turn comes before; one that asks, at least. */
const retryMs = 30_000;
const heldMs = 600_000;
/** Sources that one pod works on at once. */
const atOnce = 2;

interface Taken {
  readonly lease: SourceLease;
  readonly run: SyncRun;
  readonly row: SourceRow;
}

/** Does what synchronisations are due or ordered, each under a lease: of all pods one works on a source. */
export class SyncRunner {
  readonly #deps: RunnerDeps;
  readonly #working = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #clock: Clock;
  readonly #processes: SyncProcesses;
  #timer: Timer | undefined;
  #looking: Promise<void> | undefined;
  #again = false;
  #failing = false;

  constructor(deps: RunnerDeps) {
    this.#deps = deps;
    this.#clock = deps.clock;
    this.#processes = new SyncProcesses(deps.clock);
  }

  start(): void {
    this.#timer = this.#clock.setRepeating(lookMs, () => this.look());
  }

  /** Another pod goes on at once with what this one is at. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#stop.abort(new SallyportError('CANCELLED', { message: 'this pod is stopping' }));
    await this.#looking;
    await Promise.all(this.#working.values());
    this.#processes.close();
  }

  /** Looks for work now. */
  look(): void {
    this.#again = true;
    this.#looking ??= this.#lookOften().finally(() => {
      this.#looking = undefined;
    });
  }

  async #lookOften(): Promise<void> {
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      try {
        for (const name of await this.#due()) await this.#take(name);
        this.#failing = false;
      } catch (error) {
        // While a primary is being replaced; sources have time.
        if (!this.#failing)
          this.#deps.log.warn({ err: error }, 'it cannot be found out what is to be synchronised');
        this.#failing = true;
      }
    }
  }

  /** Sources for which there is something to do that nobody does. */
  async #due(): Promise<string[]> {
    const { pod, host, runsAt } = this.#deps;
    const nowMs = this.#clock.now();
    const rows = await this.#deps.db.read((db) =>
      db
        .selectFrom('sources')
        .select(['name', 'settings', 'next_ms'])
        .select(({ exists, selectFrom }) =>
          exists(
            selectFrom('sync_runs')
              .select('id')
              .whereRef('sync_runs.source', '=', 'sources.name')
              .where('sync_runs.state', 'in', ['queued', 'running']),
          ).as('ordered'),
        )
        .where('lease_until_ms', '<=', nowMs)
        .execute(),
    );
    return rows
      .filter(({ name, settings, next_ms, ordered }) => {
        const { hosts, syncEverySeconds, scim } = settingsFromText(settings);
        const due = Boolean(ordered) || (!scim && syncEverySeconds > 0 && next_ms <= nowMs);
        return due && mayRunOn([pod, host], runsAt, hosts) && !this.#working.has(name);
      })
      .map(({ name }) => name);
  }

  async #take(name: string): Promise<void> {
    if (this.#working.size >= atOnce) return;
    const taken = await this.#deps.db.tx((trx) => this.#lease(trx, name), { idempotent: true });
    if (taken === undefined) return;
    const work = this.#work(taken).finally(() => {
      this.#working.delete(name);
      this.look();
    });
    this.#working.set(name, work);
  }

  async #lease(trx: Kysely<SecurityTables>, name: string): Promise<Taken | undefined> {
    const { pod } = this.#deps;
    const nowMs = this.#clock.now();
    const row = await trx
      .selectFrom('sources')
      .selectAll()
      .where('name', '=', name)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined || row.lease_until_ms > nowMs) return undefined;
    const found = await trx
      .selectFrom('sync_runs')
      .select('report')
      .where('source', '=', name)
      .where('state', 'in', ['queued', 'running'])
      .orderBy('created_ms')
      .orderBy('id')
      .executeTakeFirst();
    const { scim, syncEverySeconds } = settingsFromText(row.settings);
    const due = !scim && row.next_ms <= nowMs && syncEverySeconds > 0;
    if (found === undefined && !due) return undefined;
    const order = { source: name, kind: SyncKind.UNSPECIFIED, dryRun: false, confirm: '', orderedBy: '' };
    const run = found === undefined ? await orderRun(trx, order, nowMs) : runFromText(found.report);
    run.state = SyncState.RUNNING;
    run.pod = pod;
    run.startedAt = timestampFromMs(nowMs);
    const fence = Number(row.fence) + 1;
    await trx
      .updateTable('sources')
      .set({ lease_pod: pod, lease_until_ms: nowMs + leaseMs, fence })
      .where('name', '=', name)
      .execute();
    await trx
      .updateTable('sync_runs')
      .set({ state: 'running', report: runToText(run) })
      .where('id', '=', run.id)
      .execute();
    return { lease: { source: name, fence }, run, row };
  }

  async #work({ lease, run, row }: Taken): Promise<void> {
    const deps = this.#deps;
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, this.#stop.signal]);
    let telling: Promise<void> | undefined;
    const teller = this.#clock.setRepeating(tellMs, () => {
      telling ??= this.#tell(lease, run, end).finally(() => {
        telling = undefined;
      });
    });
    const log = deps.log.child({ source: lease.source, run: run.id });
    try {
      const ended = await this.#synchronise(lease, run, row, signal);
      run.state = ended === 'held' ? SyncState.HELD : SyncState.DONE;
    } catch (error) {
      const known = SallyportError.from(error);
      run.state = end.signal.aborted ? SyncState.CANCELLED : SyncState.FAILED;
      run.errorReason = known.reason;
      run.errorMessage = known.message;
      if (run.state === SyncState.FAILED && !this.#stop.signal.aborted) {
        log.warn({ err: error }, 'a directory could not be synchronised');
      }
    } finally {
      teller.cancel();
      await telling;
    }
    const { adds, changes, disables, removes, problems } = run;
    if (adds + changes + disables + removes > 0) {
      log.info(
        { state: SyncState[run.state], adds, changes, disables, removes, problems },
        'a directory was compared',
      );
    }
    try {
      await this.#end(lease, run);
    } catch (error) {
      log.warn(
        { err: error },
        'the end of a synchronisation could not be written down; another pod will go on',
      );
    }
  }

  async #synchronise(
    lease: SourceLease,
    run: SyncRun,
    row: SourceRow,
    signal: AbortSignal,
  ): Promise<SyncEnd> {
    const deps = this.#deps;
    const stamp = row.stamp === null ? undefined : (JSON.parse(row.stamp) as Stamp);
    const since = { stamp, fullMs: row.full_ms, listedMs: row.listed_ms };
    // Mostly nothing has changed: no process is started to find that out.
    if (run.orderedBy === '' && stamp !== undefined) {
      const source = await accessTo(deps, lease.source, { signal });
      if (await isUnchanged(deps.hosts, source, { ...since, stamp }, deps.clock.now(), signal)) {
        await underLease(deps, lease, (trx) =>
          trx
            .updateTable('sources')
            .set({ synced_ms: deps.clock.now() })
            .where('name', '=', lease.source)
            .execute(),
        );
        return 'done';
      }
    }
    const announce = (position: number): void => {
      deps.feed.announce(position, 'COMMITTED').catch((error) => {
        // It is committed: the pods read it with their next look at the feed.
        deps.log.warn({ err: error, position }, 'what a synchronisation has ended could not be pushed');
      });
    };
    const order = { source: lease.source, fence: lease.fence, ...since };
    return this.#processes.sync(order, { run, announce, signal });
  }

  /** Says how far it is, and hears whether to go on. */
  async #tell(lease: SourceLease, run: SyncRun, end: AbortController): Promise<void> {
    const { log } = this.#deps;
    try {
      const cancelled = await underLease(this.#deps, lease, async (trx) => {
        await trx
          .updateTable('sources')
          .set({ lease_until_ms: this.#clock.now() + leaseMs })
          .where('name', '=', lease.source)
          .execute();
        const listed = run.listed;
        // The list is long, and of use at the end only.
        const report = runToText({ ...run, listed: [] });
        await trx.updateTable('sync_runs').set({ report }).where('id', '=', run.id).execute();
        run.listed = listed;
        const row = await trx
          .selectFrom('sync_runs')
          .select('cancelled')
          .where('id', '=', run.id)
          .executeTakeFirst();
        return row?.cancelled === 1;
      });
      if (cancelled) end.abort(new SallyportError('CANCELLED', { message: 'somebody ended it' }));
    } catch (error) {
      if (SallyportError.from(error).reason === 'CANCELLED') end.abort(error);
      else log.debug({ err: error }, 'how far a synchronisation is could not be written down');
    }
  }

  async #end(lease: SourceLease, run: SyncRun): Promise<void> {
    const nowMs = this.#clock.now();
    // The next pod begins with it anew; what has been changed it finds changed.
    const unfinished = this.#stop.signal.aborted && run.state === SyncState.FAILED;
    if (!unfinished) run.endedAt = timestampFromMs(nowMs);
    const gone = run.kind === SyncKind.RETIRE && run.state === SyncState.DONE && !run.dryRun;
    const body = async (trx: Kysely<SecurityTables>): Promise<void> => {
      const uneventful = run.orderedBy === '' && run.state === SyncState.DONE && run.listed.length === 0;
      const kept = !uneventful || run.problems > 0;
      if (!kept) {
        await trx.deleteFrom('sync_runs').where('id', '=', run.id).execute();
      } else {
        await trx
          .updateTable('sync_runs')
          .set({ state: unfinished ? 'running' : 'ended', report: runToText(run) })
          .where('id', '=', run.id)
          .execute();
      }
      const row = await trx
        .selectFrom('sources')
        .select('settings')
        .where('name', '=', lease.source)
        .executeTakeFirst();
      const everyMs = row === undefined ? 0 : settingsFromText(row.settings).syncEverySeconds * 1000;
      await trx
        .updateTable('sources')
        .set({
          lease_until_ms: 0,
          ...(kept && { last_run: run.id }),
          ...(!run.dryRun && { next_ms: nowMs + waitMs(run.state, everyMs) }),
        })
        .where('name', '=', lease.source)
        .execute();
    };
    if (gone) await this.#deps.db.tx((trx) => afterSource(trx, body, lease.source), { idempotent: true });
    else await underLease(this.#deps, lease, body);
  }
}

function waitMs(state: SyncState, everyMs: number): number {
  if (state === SyncState.HELD) return Math.max(everyMs, heldMs);
  return state === SyncState.FAILED ? Math.min(everyMs, retryMs) : everyMs;
}

/** Nobody will work any more on what was ordered of a source that is gone. */
async function afterSource(
  trx: Kysely<SecurityTables>,
  body: (trx: Kysely<SecurityTables>) => Promise<void>,
  source: string,
): Promise<void> {
  await trx.deleteFrom('sync_runs').where('source', '=', source).where('state', '=', 'queued').execute();
  await body(trx);
}
