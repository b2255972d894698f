import type { Clock } from '#kernel/time/clock.ts';

/** A group as this tier knows it. */
export interface GatewayGroup {
  readonly name: string;
  /** Names of its gateways. */
  readonly pods: readonly string[];
}

/** What a proxy says about gateways with a question. */
export interface GatewaysSaid {
  /** Those that it uses for this session. */
  readonly gateways: readonly string[];
  /** Those that it has found dead lately. */
  readonly failedGateways: readonly string[];
}

/** Milliseconds for which no session is newly given to a gateway that a proxy has found dead. */
const avoidMs = 5000;

/**
 * Which gateway serves which session: given round robin when a session first needs one of a group, and then kept,
 * unless that one is dead. In memory only; proxies say what they use, so whoever owns the session next takes it over.
 */
export class GatewayAssignments {
  #groups: ReadonlyMap<string, readonly string[]> = new Map();
  readonly #clock: Clock;
  readonly #max: number;
  /** Group to gateway, by the handle of the session; the one used longest ago first. */
  readonly #given = new Map<string, Map<string, string>>();
  readonly #next = new Map<string, number>();
  /** Monotonic milliseconds when it was last said to be dead. */
  readonly #died = new Map<string, number>();

  /** @param max sessions that are remembered */
  constructor(groups: readonly GatewayGroup[], clock: Clock, max: number) {
    this.setGroups(groups);
    this.#clock = clock;
    this.#max = max;
  }

  /** Gateways have come or gone: sessions of those that are gone are given another when they next ask. */
  setGroups(groups: readonly GatewayGroup[]): void {
    this.#groups = new Map(groups.map(({ name, pods }) => [name, pods]));
  }

  /** The session's gateway; undefined where the mesh has none of that group. */
  assign(session: string, group: string, { gateways, failedGateways }: GatewaysSaid): string | undefined {
    const pods = this.#groups.get(group) ?? [];
    for (const dead of failedGateways)
      if (this.#isOfMesh(dead)) this.#died.set(dead, this.#clock.monotonic());
    const lives = (pod: string): boolean => pods.includes(pod) && !failedGateways.includes(pod);
    const known = this.#given.get(session)?.get(group);
    const kept = [known, ...(known === undefined ? gateways : [])].find(
      (pod) => pod !== undefined && lives(pod),
    );
    const gateway = kept ?? this.#another(group, pods, lives) ?? known ?? pods[0];
    if (gateway !== undefined) this.#note(session, group, gateway);
    return gateway;
  }

  /** What the next owner is to know, by group. */
  of(session: string): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#given.get(session) ?? []);
  }

  /** What the owner before has handed over; what this one has given itself is newer. */
  adopt(session: string, gateways: Readonly<Record<string, string>>): void {
    for (const [group, gateway] of Object.entries(gateways)) {
      if (this.#given.get(session)?.has(group) || !this.#groups.get(group)?.includes(gateway)) continue;
      this.#note(session, group, gateway);
    }
  }

  /** The next in turn; one that died just now only if there is no other. */
  #another(group: string, pods: readonly string[], lives: (pod: string) => boolean): string | undefined {
    const start = this.#next.get(group) ?? 0;
    const turn = pods.map((_, n) => pods[(start + n) % pods.length] ?? '').filter(lives);
    const chosen = turn.find((pod) => !this.#diedLately(pod)) ?? turn[0];
    if (chosen !== undefined) this.#next.set(group, (pods.indexOf(chosen) + 1) % pods.length);
    return chosen;
  }

  #diedLately(pod: string): boolean {
    return this.#clock.monotonic() - (this.#died.get(pod) ?? Number.NEGATIVE_INFINITY) < avoidMs;
  }

  #isOfMesh(pod: string): boolean {
    return [...this.#groups.values()].some((pods) => pods.includes(pod));
  }

  #note(session: string, group: string, gateway: string): void {
    const given = this.#given.get(session) ?? new Map<string, string>();
    given.set(group, gateway);
    this.#given.delete(session);
    this.#given.set(session, given);
    const [oldest] = this.#given.keys();
    if (this.#given.size > this.#max && oldest !== undefined) this.#given.delete(oldest);
  }
}
