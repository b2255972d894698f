import { sql } from 'kysely';
import { z } from 'zod';
import type { Clock } from '#kernel/time/clock.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import { type LocalAccount, type LocalConnection, openLocal } from './local-sql.ts';
import { loop } from './loop.ts';
import { memberStates } from './status.ts';

/** What mysqld says of itself. */
export interface LocalState {
  readonly serverUuid: string;
  readonly state: (typeof memberStates)[number];
  readonly role: 'PRIMARY' | 'SECONDARY' | '';
  readonly majority: boolean;
  readonly superReadOnly: boolean;
  readonly offlineMode: boolean;
  readonly view: string;
  readonly members: readonly { id: string; state: string; role: string }[];
  readonly gtidExecuted: string;
  readonly gtidReceived: string;
}

const row = z.object({
  uuid: z.string(),
  ro: z.coerce.number(),
  off: z.coerce.number(),
  executed: z.string(),
  received: z.string().nullable(),
  view: z.string().nullable(),
  members: z.array(z.object({ id: z.string(), state: z.string(), role: z.string() })).nullable(),
});

/** One round trip; costs mysqld some tenths of a millisecond. */
const question = sql`select @@global.server_uuid as uuid, @@global.super_read_only as ro,
  @@global.offline_mode as off, @@global.gtid_executed as executed,
  (select received_transaction_set from performance_schema.replication_connection_status
    where channel_name = 'group_replication_applier') as received,
  (select view_id from performance_schema.replication_group_member_stats
    where member_id = @@global.server_uuid) as view,
  (select json_arrayagg(json_object('id', member_id, 'state', member_state, 'role', member_role))
    from performance_schema.replication_group_members) as members`;

export function toLocalState(answer: unknown): LocalState {
  const r = row.parse(answer);
  const members = (r.members ?? []).filter((m) => m.id !== '');
  const me = members.find((m) => m.id === r.uuid);
  return {
    serverUuid: r.uuid,
    state: memberStates.find((s) => s === me?.state) ?? 'OFFLINE',
    role: me?.role === 'PRIMARY' || me?.role === 'SECONDARY' ? me.role : '',
    // A member that is recovering votes already.
    majority:
      members.filter((m) => m.state === 'ONLINE' || m.state === 'RECOVERING').length * 2 > members.length,
    superReadOnly: r.ro === 1,
    offlineMode: r.off === 1,
    view: r.view ?? '',
    members,
    gtidExecuted: r.executed.replace(/\s/g, ''),
    gtidReceived: (r.received ?? '').replace(/\s/g, ''),
  };
}

export interface PollOptions {
  readonly account: LocalAccount;
  readonly clock: Clock;
  /** Milliseconds between two polls; default 100. */
  readonly everyMs?: number;
  /** Milliseconds after which an answer is out of date, counted from its question; default 500. */
  readonly maxAgeMs?: number;
}

/** Asks the local mysqld over and over on one connection; never tells what is out of date. */
export class Poll {
  readonly #o: PollOptions;
  readonly #everyMs: number;
  readonly #maxAgeMs: number;
  readonly #stop = new AbortController();
  #connection: LocalConnection | undefined;
  #latest: { readonly state: LocalState; readonly asked: number } | undefined;
  #error: unknown;

  constructor(options: PollOptions) {
    this.#o = options;
    this.#everyMs = options.everyMs ?? 100;
    this.#maxAgeMs = options.maxAgeMs ?? 500;
  }

  get latest(): LocalState | undefined {
    if (!this.#latest || this.#o.clock.monotonic() - this.#latest.asked > this.#maxAgeMs) return undefined;
    return this.#latest.state;
  }

  /** When the latest answer was asked for, on the monotonic scale; -Infinity if there is none. */
  get askedAt(): number {
    return this.#latest?.asked ?? Number.NEGATIVE_INFINITY;
  }

  /** Why there is no answer, if there is none. */
  get error(): unknown {
    return this.latest ? undefined : this.#error;
  }

  /** Runs until stop(). */
  run(): Promise<void> {
    return loop(this.#o.clock, this.#everyMs, this.#stop.signal, async () => {
      const asked = this.#o.clock.monotonic();
      try {
        this.#latest = { state: await this.#ask(), asked };
        this.#error = undefined;
      } catch (error) {
        this.#error = error;
        this.#latest = undefined;
        this.#cut();
      }
    });
  }

  stop(): void {
    this.#stop.abort();
    this.#cut();
  }

  async #ask(): Promise<LocalState> {
    const ms = this.#maxAgeMs - this.#everyMs;
    this.#connection ??= await openLocal(this.#o.account, ms);
    const result = await withDeadline(question.execute(this.#connection.kysely), ms, {
      what: 'asking mysqld',
    });
    return toLocalState(result.rows[0]);
  }

  #cut(): void {
    this.#connection?.cut(new Error('the poll gave this connection up'));
    this.#connection = undefined;
  }
}
