import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import { judge } from '#kernel/db/failures.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import { ensureAccounts, users } from './accounts.ts';
import { answers, type Question } from './answers.ts';
import { type AgentConfig, type AgentSecrets, writeQuorumOf } from './config.ts';
import { prepareDataDir, putDataAside } from './data-dir.ts';
import { decide, type Step, silentOf } from './decide.ts';
import type { Disk } from './disk.ts';
import type { GroupCommands } from './group-commands.ts';
import { type LocalDb, onLocal } from './local-sql.ts';
import type { Log } from './log.ts';
import { loop } from './loop.ts';
import type { GroupMemory } from './memory.ts';
import { serverUuid } from './my-cnf.ts';
import type { Mysqld } from './mysqld.ts';
import type { Peers } from './peers.ts';
import type { LocalState, Poll } from './poll.ts';
import type { Promotions } from './promotion.ts';
import type { Replica } from './replica/replica.ts';
import type { AgentStatus, Phase } from './status.ts';

export interface KeeperOptions {
  readonly config: AgentConfig;
  readonly secrets: AgentSecrets;
  readonly mysqld: Mysqld;
  readonly poll: Poll;
  readonly peers: Peers;
  /** Replicas that may have taken over. */
  readonly witnesses: Peers;
  readonly promotions: Promotions;
  readonly commands: GroupCommands;
  /** Follows the group instead of being in it. */
  readonly replica: Replica | undefined;
  readonly memory: GroupMemory;
  readonly disk: Disk;
  /** Ends this agent and its mysqld, to be started again as what the node has become. */
  readonly end: () => void;
  readonly log: Log;
  readonly clock: Clock;
}

/** Milliseconds between two looks at things. */
const everyMs = 200;
/** Milliseconds before a step that failed is tried again. */
const retryMs = 1000;
/** Milliseconds for STOP GROUP_REPLICATION after a failed membership. */
const patienceMs = 4000;
/** Milliseconds without an ONLINE majority anywhere after which joining has no point. */
const vanishedMs = 10_000;
/** Milliseconds of silence after which mysqld is asked for the last time, and for which it may think about that. */
const silentMs = 20_000;
const lastChanceMs = 10_000;
/** Milliseconds for mysqld to end before its data are put aside; then it is killed. */
const endMs = 10_000;

const ping = (db: LocalDb): Promise<unknown> => sql`do 1`.execute(db);

/** Keeps mysqld alive and in the group: looks, decides (decide.ts), does one step, looks again. */
export class Keeper {
  readonly #o: KeeperOptions;
  readonly #stop = new AbortController();
  readonly #uuid: string;
  /** What others are told of this node's backups. */
  backupFailing = false;
  #phase: Phase = 'starting';
  #accountsFor: number | undefined;
  #waitingFor: string | undefined;
  #error: string | undefined;
  #forced = false;
  #rebuilding = false;
  #notBefore = 0;
  #answeredAt = 0;
  #settledAfter = Number.NEGATIVE_INFINITY;
  #writableSince: number | undefined;

  constructor(options: KeeperOptions) {
    this.#o = options;
    this.#uuid = serverUuid(options.config.groupName, options.config.pod);
  }

  get status(): AgentStatus {
    const local = this.#o.poll.latest;
    return {
      pod: this.#o.config.pod,
      serverUuid: this.#uuid,
      phase: this.#phase,
      state: local?.state ?? 'DOWN',
      role: local?.role ?? '',
      majority: local?.majority ?? false,
      writable: isWritable(local),
      ...(this.#writableSince !== undefined && {
        writableForMs: Math.round(this.#o.clock.monotonic() - this.#writableSince),
      }),
      offlineMode: local?.offlineMode ?? false,
      view: local?.view ?? '',
      members: [...(local?.members ?? [])],
      gtidExecuted: local?.gtidExecuted ?? '',
      gtidReceived: local?.gtidReceived ?? '',
      fresh: local ? isFresh(local) : false,
      full: this.#o.disk.full,
      ...(this.backupFailing && { backupFailing: true }),
      ...(this.#o.replica && { replica: this.#o.replica.status }),
      ...(this.#o.memory.latest && { remembered: this.#o.memory.latest }),
      promotions: [...this.#o.promotions.all],
      superseded: this.#superseded,
      wordOf: this.#wordOf,
      ...(this.#waitingFor === undefined ? {} : { waitingFor: this.#waitingFor }),
      ...(this.#error === undefined ? {} : { error: this.#error }),
    };
  }

  /** A replica that has taken over, or is doing so, is what has superseded the others. */
  get #superseded(): boolean {
    return this.#o.replica === undefined && this.#o.promotions.of(this.#o.config.groupName) !== undefined;
  }

  get #wordOf(): string[] {
    const local = this.#o.poll.latest;
    const needed = local?.state === 'OFFLINE' && !isFresh(local) && !this.#superseded;
    return needed && !this.#forced ? silentOf(this.#o.witnesses.view) : [];
  }

  answers(question: Question): boolean {
    const peers = this.#o.peers.view.map((p) => p.status);
    return answers(question, this.status, peers, writeQuorumOf(this.#o.config));
  }

  /** The operator's word that the group lives nowhere else: the next time this node could form it, it does. */
  forceBootstrap(): void {
    this.#forced = true;
  }

  /**
   * The operator's word that what this node has may be given up: its data are put aside, and it starts over from a
   * copy of the group's. Gives why not, if there is no group to copy from or the node is in it.
   */
  rebuild(): string | undefined {
    const alive = this.#o.peers.view.some((p) => p.status?.state === 'ONLINE' && p.status.majority);
    if (!alive) return 'no other node has the group: these data may be the only ones';
    if (this.status.state === 'ONLINE') return 'this node is in the group';
    this.#rebuilding = true;
    return undefined;
  }

  /** The operator's word that this replica is to take over. Others learn of it at once. Gives why not, if it cannot. */
  promote(): string | undefined {
    const { replica, config, promotions, poll } = this.#o;
    if (replica === undefined) return 'this node is no replica';
    const known = promotions.of(config.groupName);
    if (known !== undefined && known.pod !== config.pod) return `${known.pod} has taken over already`;
    const local = poll.latest;
    if (local === undefined || isFresh(local)) return 'this node has no data of the group';
    if (known === undefined)
      promotions.learn([
        { pod: config.pod, from: config.groupName, to: randomUUID(), atMs: this.#o.clock.now() },
      ]);
    return undefined;
  }

  /** Runs until stop(). */
  run(): Promise<void> {
    return loop(this.#o.clock, everyMs, this.#stop.signal, () => this.#turn());
  }

  /** Nothing is begun any more; what is under way ends by its own bound. */
  stop(): void {
    this.#phase = 'stopping';
    this.#stop.abort();
  }

  async #turn(): Promise<void> {
    const { clock, poll, config, disk, log } = this.#o;
    this.#writableSince = isWritable(poll.latest) ? (this.#writableSince ?? clock.monotonic()) : undefined;
    if (await disk.look()) {
      if (disk.full) log('error', 'there is no room left on the disk', { dataDir: config.dataDir });
      else log('info', 'there is room on the disk again');
    }
    try {
      this.#hearOfPromotions();
      if (this.#rebuilding) await this.#startOver();
      // Its disk may have been lost while it was down.
      if (this.#o.mysqld.pid === undefined && (await prepareDataDir(config)))
        log('info', 'made the data directory', { from: config.templateDir });
    } catch (error) {
      this.#error = error instanceof Error ? error.message : String(error);
      this.#o.log('error', 'the data directory cannot be made', { error: this.#error });
      return this.#to('starting');
    }
    // It was told to stop while the data were being made: whoever stops it has looked for a mysqld already.
    if (this.#stop.signal.aborted) return;
    if (!this.#o.mysqld.keep()) return this.#to('starting');
    if (clock.monotonic() < this.#notBefore) return;
    try {
      if (this.#accountsFor !== this.#o.mysqld.pid) await this.#makeAccounts();
      const local = poll.latest;
      // An answer from before the last step would have it taken twice.
      if (!local) return await this.#doubt();
      this.#answeredAt = clock.monotonic();
      if (local.serverUuid !== this.#uuid) return this.#restartAs(local.serverUuid);
      if (poll.askedAt < this.#settledAfter) return;
      this.#o.memory.note(local);
      // It was said of a group that had none; what comes later is another matter.
      if (local.state === 'ONLINE') this.#forced = false;
      if (this.#o.replica) await this.#follow(this.#o.replica, local);
      else await this.#take(this.#decide(local), local);
      this.#error = undefined;
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const text = error instanceof Error ? error.message : String(error);
      // A mysqld that does not answer yet is what `starting` means.
      if (this.#phase === 'starting' && judge(error) !== 'fatal') return;
      if (text !== this.#error) this.#o.log('warn', 'a step failed', { phase: this.#phase, error: text });
      this.#error = text;
      this.#notBefore = clock.monotonic() + retryMs;
      this.#settledAfter = clock.monotonic();
      if (this.#phase !== 'starting') this.#to('idle');
    }
  }

  #hearOfPromotions(): void {
    const { peers, witnesses, promotions, log } = this.#o;
    const before = promotions.all.length;
    promotions.learn([...peers.view, ...witnesses.view].flatMap(({ status }) => status?.promotions ?? []));
    if (promotions.all.length > before)
      log('warn', 'another node has taken over', { by: promotions.all.at(-1)?.pod });
  }

  /** It was started as a node of another group: as which, it reads when it starts. */
  #restartAs(was: string): void {
    this.#o.log('info', 'mysqld is to be another server', { was, is: this.#uuid });
    this.#o.mysqld.signal('SIGTERM');
    this.#to('starting');
  }

  async #startOver(): Promise<void> {
    const { mysqld, config, log } = this.#o;
    this.#to('starting');
    mysqld.signal('SIGTERM');
    try {
      await mysqld.ended(endMs);
    } catch {
      // Nothing that it could still write is kept.
      mysqld.signal('SIGKILL');
      await mysqld.ended(endMs);
    }
    const to = await putDataAside(config.dataDir);
    log('warn', 'the data were put aside on request', { to });
    this.#accountsFor = undefined;
    this.#rebuilding = false;
  }

  async #makeAccounts(): Promise<void> {
    const { config, secrets, mysqld, log } = this.#o;
    const pid = mysqld.pid;
    this.#to('starting');
    if (await ensureAccounts(config.sockets.mysqld, secrets)) log('info', 'made the accounts');
    this.#accountsFor = pid;
    this.#answeredAt = this.#o.clock.monotonic();
    // What the poll has may still be the word of an earlier mysqld.
    this.#settledAfter = this.#o.clock.monotonic();
  }

  /**
   * A mysqld that lives but has not answered for long hangs. The group has expelled it by then; as long as
   * it hangs it can neither rejoin nor be counted when the group has to be formed anew.
   */
  async #doubt(): Promise<void> {
    const { config, secrets, mysqld, clock, log } = this.#o;
    if (clock.monotonic() - this.#answeredAt < silentMs) return;
    const account = { socketPath: config.sockets.mysqld, user: users.agent, password: secrets.agent };
    try {
      await withDeadline(
        onLocal(account, lastChanceMs, 'asking mysqld for the last time', ping),
        lastChanceMs,
        {
          what: 'asking mysqld for the last time',
          clock,
        },
      );
      this.#answeredAt = clock.monotonic();
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      log('error', 'mysqld hangs: killing it', {
        error: error instanceof Error ? error.message : String(error),
      });
      mysqld.signal('SIGKILL');
    }
  }

  #decide(local: LocalState): Step {
    const force = this.#forced || (this.#o.config.bootstrap === 'force' && isFresh(local));
    const self: AgentStatus = { ...this.status, phase: 'idle' };
    const { peers, witnesses } = this.#o;
    return decide({ self, peers: peers.view, witnesses: witnesses.view, force });
  }

  async #take(step: Step, local: LocalState): Promise<void> {
    const { commands } = this.#o;
    this.#wait(step.do === 'wait' ? step.for : undefined);
    switch (step.do) {
      case 'wait':
        return this.#to('idle');
      case 'nothing':
        return this.#to('member');
      case 'open':
        await commands.open();
        return;
      case 'leave':
        return this.#during('leaving', 'idle', () => this.#leave());
      case 'apply':
        return this.#during('applying', 'idle', () => commands.applyRelayLog(local.gtidReceived));
      case 'join':
        return this.#during('joining', 'member', () => this.#join());
      case 'bootstrap':
        await this.#during('bootstrapping', 'member', () => commands.bootstrap());
        this.#forced = false;
    }
  }

  async #follow(replica: Replica, local: LocalState): Promise<void> {
    const { config, promotions, peers, log, end } = this.#o;
    const mine = promotions.of(config.groupName);
    if (mine !== undefined) {
      if (mine.pod !== config.pod) return this.#wait(`an operator: ${mine.pod} has taken over`);
      this.#to('promoting');
      const era = mine.era ?? (await replica.takeOver(peers.view));
      promotions.learn([{ ...mine, era }]);
      log('warn', 'this node has taken over', { era });
      return end();
    }
    const step = await replica.next(local, peers.view);
    if (step === undefined) return;
    this.#wait(step.do === 'wait' ? step.for : undefined);
    switch (step.do) {
      case 'nothing':
        return this.#to('following');
      case 'wait':
        return this.#to('idle');
      case 'start-over':
        this.#o.log('warn', 'it cannot go on from what it has', { why: step.why });
        this.#rebuilding = true;
        return;
      case 'copy':
        return this.#during('copying', 'starting', () => replica.copyOf(step.from));
      case 'follow':
        this.#o.log('info', 'following', { source: step.source.pod });
        return this.#during('following', 'following', () => replica.follow(step.source));
    }
  }

  /** A joiner whose group vanishes meanwhile waits for it for minutes; killed, it can be counted again. */
  async #join(): Promise<void> {
    const { commands, mysqld, peers, clock, log } = this.#o;
    const done = new AbortController();
    let seen = clock.monotonic();
    const watching = loop(clock, 500, done.signal, async () => {
      if (peers.view.some((p) => p.status?.state === 'ONLINE' && p.status.majority)) seen = clock.monotonic();
      if (clock.monotonic() - seen < vanishedMs) return;
      log('warn', 'the group vanished while joining it: killing mysqld');
      mysqld.signal('SIGKILL');
      done.abort();
    });
    try {
      await commands.join();
    } finally {
      done.abort();
      await watching;
    }
  }

  /**
   * A member that lost its majority waits 30 s for its group communication to end; it has nothing to lose
   * by being killed, and is back in two.
   */
  async #leave(): Promise<void> {
    const { commands, mysqld, log, clock } = this.#o;
    try {
      await withDeadline(commands.leave(), patienceMs, { what: 'leaving the group', clock });
    } catch (error) {
      log('warn', 'mysqld does not get out of its group: killing it', {
        error: error instanceof Error ? error.message : String(error),
      });
      mysqld.signal('SIGKILL');
    }
  }

  async #during(phase: Phase, then: Phase, run: () => Promise<void>): Promise<void> {
    this.#to(phase);
    await run();
    this.#settledAfter = this.#answeredAt = this.#o.clock.monotonic();
    this.#to(then);
  }

  #to(phase: Phase): void {
    if (phase === this.#phase || this.#stop.signal.aborted) return;
    this.#o.log('info', 'phase', { from: this.#phase, to: phase });
    this.#phase = phase;
  }

  #wait(what: string | undefined): void {
    if (what !== undefined && what !== this.#waitingFor) this.#o.log('info', 'waiting', { for: what });
    this.#waitingFor = what;
  }
}

const isWritable = (local: LocalState | undefined): boolean =>
  local !== undefined && !local.superReadOnly && !local.offlineMode;

const isFresh = (local: LocalState): boolean => local.gtidExecuted === '' && local.gtidReceived === '';
