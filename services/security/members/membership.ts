import type { Logger } from '#kernel/log/logger.ts';
import { type Clock, instant, type Timer } from '#kernel/time/clock.ts';
import type { Freshness } from '../feed/freshness.ts';
import type { MemberState } from './member.ts';
import type { Joined, MembershipStore } from './membership-store.ts';

export interface MembershipDeps {
  readonly pod: string;
  readonly store: MembershipStore;
  readonly joined: Joined;
  readonly freshness: Freshness;
  readonly clock: Clock;
  readonly log: Logger;
  /** The feed position to report. */
  readonly position: () => number;
  /** Another process has taken this pod's name: this one must end. */
  readonly onReplaced: () => void;
}

/** Milliseconds between two heartbeats. */
const everyMs = 1000;

/** This process's place among the security pods: says every second that it is alive and how far it has read. */
export class Membership {
  readonly #deps: MembershipDeps;
  #state: MemberState = 'starting';
  #timer: Timer | undefined;
  #beating: Promise<void> | undefined;
  #failing = false;

  constructor(deps: MembershipDeps) {
    this.#deps = deps;
  }

  /** @throws if the first heartbeat fails */
  async start(): Promise<void> {
    await this.#beat();
    this.#timer = this.#deps.clock.setRepeating(everyMs, () => {
      this.#beating ??= this.#tryBeat().finally(() => {
        this.#beating = undefined;
      });
    });
  }

  /** Told to the others at once, if the database can be reached. */
  async become(state: MemberState): Promise<void> {
    this.#state = state;
    await this.#beating;
    await this.#tryBeat();
  }

  /** The last heartbeat says that there will be no other; for whoever waits for this pod. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#deps.freshness.end('this pod has stopped');
    await this.become('stopped');
  }

  async #beat(): Promise<void> {
    const { store, pod, joined, clock, freshness, position } = this.#deps;
    const startedAt = instant(clock);
    if (await store.heartbeat(pod, joined.incarnation, this.#state, position())) {
      freshness.heartbeatBegun(startedAt);
      return;
    }
    freshness.end('another process has taken the name of this pod');
    this.#timer?.cancel();
    this.#deps.onReplaced();
  }

  async #tryBeat(): Promise<void> {
    try {
      await this.#beat();
      if (this.#failing) this.#deps.log.info('heartbeats are written again');
      this.#failing = false;
    } catch (error) {
      // While a primary is being replaced nobody can write; `freshness` knows how long that may last.
      if (!this.#failing) this.#deps.log.warn({ err: error }, 'the heartbeat cannot be written');
      this.#failing = true;
    }
  }
}
