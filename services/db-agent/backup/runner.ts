import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { LocalAccount } from '../local-sql.ts';
import type { Log } from '../log.ts';
import { documents, type Manifest, names, type Proof, snapshotIds, unfinishedIds } from './documents.ts';
import type { BackupJob, BackupWord } from './job.ts';
import { LogShipper } from './log-shipper.ts';
import { proveSnapshot } from './prove.ts';
import { retain } from './retention.ts';
import type { BackupKey } from './seal.ts';
import { resumeSpooled, takeSnapshot, timeName } from './snapshot.ts';
import type { BackupStore } from './store.ts';
import type { MysqlTools } from './throwaway.ts';

export interface RunnerOptions {
  readonly job: BackupJob;
  /** When it was written, Unix milliseconds. */
  readonly scheduledAtMs: number;
  readonly store: BackupStore;
  readonly key: BackupKey;
  readonly account: LocalAccount;
  readonly tools: MysqlTools;
  readonly pod: string;
  readonly dataDir: string;
  readonly stateDir: string;
  readonly spoolDir: string;
  /** Where snapshots are restored to prove them. */
  readonly scratchDir: string;
  readonly clock: Clock;
  readonly randomHex: (bytes: number) => string;
  readonly log: Log;
  readonly tell: (word: BackupWord) => void;
  readonly signal: AbortSignal;
}

/** Milliseconds between two looks at what is due, and before what failed is tried again. */
const lookMs = 500;
const retryMs = 10_000;
/** Milliseconds between two looks for revocations, which do not wait for the log's next turn. */
const revocationsMs = 500;
/** A snapshot and its proof take at most this share of the time. */
const largestShare = 0.05;

/** Ships the log, takes snapshots when they are due or asked for, proves each, and removes what is too old. */
export class BackupRunner {
  readonly #o: RunnerOptions;
  readonly #stream: string;
  readonly #documents;
  readonly #shipper: LogShipper;
  readonly #proven = new Map<string, Proof>();
  #wanted = 0;
  #answered = 0;
  #nextSnapshot = 0;
  readonly #errors = new Map<string, { reason: string; message: string }>();
  #word: Pick<BackupWord, 'phase' | 'last'> = { phase: 'starting' };

  constructor(options: RunnerOptions) {
    const { store, key, pod, clock, account, dataDir } = options;
    this.#o = options;
    this.#stream = `${timeName(clock.now())}-${pod}-${options.randomHex(2)}`;
    this.#documents = documents(store, key);
    const { scheduledAtMs, tools } = options;
    const own = {
      documents: this.#documents,
      stream: this.#stream,
      scheduledAtMs,
      mysqlbinlog: tools.mysqlbinlog,
    };
    this.#shipper = new LogShipper({ store, key, pod, clock, account, dataDir, ...own });
  }

  /** Somebody asks for a snapshot now; BackupWord.answered counts those that are done. */
  want(): void {
    this.#wanted += 1;
  }

  /** Until the signal. What fails is told and tried again. */
  async run(): Promise<void> {
    await Promise.all([
      this.#again('the log', () => this.#ship()),
      this.#again('a snapshot', () => this.#snapshotIfDue()),
    ]);
  }

  async #again(what: string, turn: () => Promise<void>): Promise<void> {
    const { clock, signal, log } = this.#o;
    while (!signal.aborted) {
      let pause = lookMs;
      try {
        await turn();
        if (this.#errors.delete(what)) this.#say({});
      } catch (error) {
        if (signal.aborted) return;
        const { reason, message } = SallyportError.from(error);
        // What is INTERNAL for callers has its cause in MySQL or the system.
        const told = reason === 'INTERNAL' && error instanceof Error ? error.message : message;
        log('warn', `${what} could not be backed up`, { reason, error: told });
        this.#errors.set(what, { reason, message: `${what}: ${told}` });
        if (what !== 'the log') this.#answered = this.#wanted;
        this.#say({});
        pause = retryMs;
      }
      await clock.sleep(pause, signal).catch(() => undefined);
    }
  }

  async #ship(): Promise<void> {
    await this.#shipper.ship();
    if (this.#errors.delete('the log')) this.#say({});
    const { clock, job, signal } = this.#o;
    for (let left = job.logSeconds * 1000 - lookMs; left > 0; left -= revocationsMs) {
      await clock.sleep(Math.min(left, revocationsMs), signal);
      if (await this.#shipper.hasRevocations()) return;
    }
  }

  async #snapshotIfDue(): Promise<void> {
    const { clock, job, store, log } = this.#o;
    if (this.#word.phase === 'starting') {
      for (const sent of await resumeSpooled({ ...this.#o, documents: this.#documents })) {
        log('info', 'what an earlier upload lacked was sent', { id: sent.id });
        await this.#prove(sent);
      }
      const newest = (await snapshotIds(store)).at(-1);
      const takenAtMs = newest === undefined ? 0 : (await this.#documents.manifest(newest)).takenAtMs;
      this.#nextSnapshot = clock.monotonic() + takenAtMs + job.everySeconds * 1000 - clock.now();
      this.#say({ phase: 'waiting' });
    }
    const wanted = this.#wanted;
    const due = job.everySeconds > 0 && clock.monotonic() >= this.#nextSnapshot;
    if (!due && wanted === this.#answered) return;
    const begun = clock.monotonic();
    await this.#snapshot();
    const took = clock.monotonic() - begun;
    this.#nextSnapshot = begun + Math.max(job.everySeconds * 1000, took / largestShare);
    this.#answered = wanted;
    this.#say({});
    await this.#tidy();
  }

  async #snapshot(): Promise<void> {
    this.#say({ phase: 'copying' });
    const own = { documents: this.#documents, shipper: this.#shipper, stream: this.#stream };
    await this.#prove(await takeSnapshot({ ...this.#o, keyFile: this.#o.job.keyFile, ...own }));
  }

  async #prove(manifest: Manifest): Promise<void> {
    const { store, key, log, clock, tools, scratchDir, signal } = this.#o;
    this.#say({ phase: 'proving' });
    const source = { store, key, documents: this.#documents };
    const proof = await proveSnapshot(source, manifest, { tools, scratch: scratchDir, clock, signal });
    await this.#documents.putProof(proof);
    const bytes = manifest.parts.reduce((sum, part) => sum + part.bytes, 0);
    const figures = { id: manifest.id, tookMs: manifest.tookMs, proofMs: proof.tookMs };
    log('info', 'a snapshot was taken and restored', { ...figures, bytes, rows: proof.rows });
    this.#word = { phase: 'waiting', last: figures };
  }

  async #tidy(): Promise<void> {
    const { store, job, clock } = this.#o;
    const ids = await snapshotIds(store);
    const snapshots = await Promise.all(
      ids.map(async (id) => {
        const { takenAtMs, log } = await this.#documents.manifest(id);
        const proof = this.#proven.get(id) ?? (await this.#documents.proof(id));
        if (proof !== undefined) this.#proven.set(id, proof);
        return { id, takenAtMs, log, proven: proof !== undefined };
      }),
    );
    const { remove, logFrom } = retain(snapshots, job, clock.now());
    // Uploads that nobody went on with, since their node is gone.
    const given = timeName(clock.now() - job.keepHours * 3_600_000);
    const abandoned = (await unfinishedIds(store)).filter((id) => id < given);
    for (const id of [...remove, ...abandoned]) {
      // The manifest first: what is left of it is no snapshot any more.
      await store.remove(names.manifest(id));
      for (const name of await store.list(names.snapshot(id))) await store.remove(name);
      this.#proven.delete(id);
    }
    const from = snapshots.find(({ id }) => id === logFrom);
    if (from !== undefined) await this.#tidyLog(from);
  }

  async #tidyLog(from: {
    readonly takenAtMs: number;
    readonly log: { stream: string; seq: number };
  }): Promise<void> {
    const { store } = this.#o;
    for (const mark of (await this.#documents.log()).marks) {
      const own = mark.stream === from.log.stream;
      if (!own && mark.readAtMs >= from.takenAtMs) continue;
      const first = own ? from.log.seq : mark.seq;
      if (first <= mark.first && own) continue;
      // Said before it is done: what is missing then is not taken for damage.
      if (mark.stream === this.#stream) {
        this.#shipper.first = first;
        await this.#shipper.ship();
      } else if (own) await this.#documents.putMark({ ...mark, first });
      else await store.remove(names.mark(mark.stream));
      const kept = names.segment(mark.stream, first);
      for (const name of await store.list(names.stream(mark.stream))) {
        if (name < kept && !name.endsWith('/mark')) await store.remove(name);
      }
    }
  }

  #say(word: Partial<Pick<BackupWord, 'phase' | 'last'>>): void {
    this.#word = { ...this.#word, ...word };
    const [error] = this.#errors.values();
    this.#o.tell({ ...this.#word, answered: this.#answered, ...(error && { error }) });
  }
}
