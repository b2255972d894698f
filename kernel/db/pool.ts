import type { Connection } from './connection.ts';

/**
 * Connections kept between uses, the latest used first. How many there are at once is the gate's business
 * (gate.ts); this keeps only what is good.
 */
export class Pool<S> {
  readonly #connect: () => Promise<Connection<S>>;
  readonly #idle: Connection<S>[] = [];
  readonly #all = new Set<Connection<S>>();
  #closed = false;

  constructor(connect: () => Promise<Connection<S>>) {
    this.#connect = connect;
  }

  get open(): number {
    return this.#all.size;
  }

  /** An idle connection, or a new one. @throws as connecting does. */
  async take(): Promise<Connection<S>> {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.usable) return idle;
      this.#all.delete(idle);
    }
    const fresh = await this.#connect();
    this.#all.add(fresh);
    if (this.#closed) this.drop(fresh, new Error('the database client was closed'));
    return fresh;
  }

  /** Gives back a connection on which no transaction is open. */
  give(connection: Connection<S>): void {
    if (connection.usable && !this.#closed) this.#idle.push(connection);
    else this.#all.delete(connection);
  }

  /** Ends a connection that is of no more use. */
  drop(connection: Connection<S>, error: Error): void {
    this.#all.delete(connection);
    connection.cut(error);
  }

  /** Ends all idle connections: what they reach may no longer be the primary. */
  dropIdle(error: Error): void {
    for (const idle of this.#idle.splice(0)) this.drop(idle, error);
  }

  close(): void {
    this.#closed = true;
    for (const connection of [...this.#all]) {
      this.drop(connection, new Error('the database client was closed'));
    }
  }
}
