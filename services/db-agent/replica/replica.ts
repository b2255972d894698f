import type { Clock } from '#kernel/time/clock.ts';
import type { PeerView } from '../decide.ts';
import type { LocalState } from '../poll.ts';
import type { ReplicaStatus } from '../status.ts';
import type { Channel } from './channel.ts';
import {
  type ChannelState,
  decideReplica,
  membersOf,
  placeOf,
  type ReplicaStep,
  type Source,
} from './decide-replica.ts';
import { Lag } from './lag.ts';

/** Milliseconds between two looks at the channel. */
const everyMs = 500;
/** Milliseconds in which the agents of a group have asked this one, and have left it. */
const heardMs = 4000;

export interface ReplicaOptions {
  readonly pod: string;
  readonly channel: Channel;
  readonly sources: readonly Source[];
  readonly clock: Clock;
}

/** A node of another site that follows the group and is no member of it: what it is, and what is next. */
export class Replica {
  readonly #o: ReplicaOptions;
  readonly #lag = new Lag();
  #channel: ChannelState | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReplicaOptions) {
    this.#o = options;
  }

  get status(): ReplicaStatus {
    const { sources, clock } = this.#o;
    const source = sources.find((each) => placeOf(each) === this.#channel?.source)?.pod;
    const lagMs = this.#lag.at(clock.monotonic());
    return {
      connected: this.#channel?.receiving === 'ON',
      ...(source !== undefined && { source }),
      ...(lagMs !== undefined && { lagMs }),
    };
  }

  /** What is to be done now; undefined: it was looked at a moment ago. @throws what MySQL says */
  async next(local: LocalState, peers: readonly PeerView[]): Promise<ReplicaStep | undefined> {
    const { pod, channel, sources, clock } = this.#o;
    const fresh = local.gtidExecuted === '';
    this.#noteLag(local, peers);
    if (clock.monotonic() - this.#lookedAt < everyMs) return undefined;
    this.#channel = fresh ? undefined : await channel.look();
    this.#lookedAt = clock.monotonic();
    return decideReplica({ pod, fresh, channel: this.#channel, sources, peers });
  }

  copyOf(source: Source): Promise<void> {
    return this.#o.channel.copyOf(source);
  }

  async follow(source: Source): Promise<void> {
    await this.#o.channel.follow(source);
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  /**
   * What the group has committed is taken over as far as it was received; where the group lives it is received until all of
   * its nodes have heard that they are superseded. Gives the era that begins. Can be done again from any point on.
   */
  async takeOver(peers: readonly PeerView[]): Promise<number> {
    const { channel, clock } = this.#o;
    if (membersOf(peers).length > 0) await clock.sleep(heardMs);
    await channel.end();
    return channel.beginEra();
  }

  #noteLag(local: LocalState, peers: readonly PeerView[]): void {
    const [primary] = membersOf(peers);
    const asked = peers.find(({ pod }) => pod === primary?.pod)?.asked;
    const word =
      primary?.role === 'PRIMARY' && asked !== undefined
        ? { askedAt: asked, gtidExecuted: primary.gtidExecuted }
        : undefined;
    this.#lag.note(word, local.gtidExecuted);
  }
}
