/** A database with the tables of tasks, and workers in processes of their own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Db } from '#kernel/db/db.ts';
import { migrate } from '#kernel/db/migrate.ts';
import { kernelMigrations } from '#kernel/db/migrations.ts';
import { openDb } from '#kernel/db/open-db.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { scheduleMigrations } from '#services/tasks/schedules/migrations-schedules.ts';
import type { ScheduleTables } from '#services/tasks/schedules/tables.ts';
import { taskMigrations } from '#services/tasks/store/migrations-tasks.ts';
import { type ClosableTaskStore, mysqlTaskStore } from '#services/tasks/store/mysql-task-store.ts';
import type { TaskTables } from '#services/tasks/store/tables.ts';
import type { TaskInfo } from '#services/tasks/store/task-store.ts';
import { type DbGroup, startDbGroup } from '../db-group.ts';
import { whenProcessEnds } from '../leave-nothing.ts';

/** @param name in this folder */
const scriptOf = (name: string): string => new URL(name, import.meta.url).pathname;

export class TaskStand {
  readonly group: DbGroup;
  readonly store: ClosableTaskStore;
  /** Where the effects of `definitions.ts` are written to. */
  readonly effects: string;
  readonly db: Db<TaskTables & ScheduleTables>;
  readonly #workers = new Map<string, ChildProcess>();
  readonly #working = new WeakSet<ChildProcess>();
  readonly #commands = new Map<string, readonly string[]>();
  #keys = 0;

  private constructor(group: DbGroup, db: Db<TaskTables & ScheduleTables>) {
    this.group = group;
    this.db = db;
    this.store = mysqlTaskStore(db);
    this.effects = join(group.dir, 'effects');
  }

  /** @param pods database nodes */
  static async start(pods: number): Promise<TaskStand> {
    const group = await startDbGroup({ pods });
    try {
      await group.online();
      const socketPath = group.rwSocket;
      const owner = openDb<TaskTables & ScheduleTables>({
        socketPath,
        user: 'migrate',
        password: group.passwords.migrate,
      });
      await migrate(owner, [...kernelMigrations, ...taskMigrations, ...scheduleMigrations]);
      await owner.close();
      return new TaskStand(group, openDb({ socketPath, user: 'sallyport', password: group.passwords.app }));
    } catch (error) {
      await group.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const name of this.#workers.keys()) await this.end(name, 'SIGKILL');
    await this.store.close();
    await this.db.close();
    await this.group.close();
  }

  /** @param script of this folder, with its arguments; default `worker.ts` */
  startWorker(name: string, script?: string, scriptArgs: readonly string[] = []): void {
    const { rwSocket, passwords } = this.group;
    const args =
      script === undefined
        ? (this.#commands.get(name) ?? [scriptOf('worker.ts'), name, rwSocket, 'sallyport', passwords.app])
        : [scriptOf(script), ...scriptArgs];
    this.#commands.set(name, args);
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.once('message', () => this.#working.add(child));
    const forget = whenProcessEnds(() => void child.kill('SIGKILL'));
    child.once('exit', forget);
    this.#workers.set(name, child);
  }

  /** Whether that process of it has journaled a few steps: `worker.ts` says so. */
  works(name: string): boolean {
    const child = this.#workers.get(name);
    return child !== undefined && this.#working.has(child);
  }

  async end(name: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#workers.get(name);
    this.#workers.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** Starts workers again that were killed otherwise. */
  restartDead(): void {
    for (const [name, child] of this.#workers) if (child.signalCode !== null) this.startWorker(name);
  }

  async submit(kind: string, fields: object = {}, submitter = 'tests'): Promise<string> {
    const input = { effects: this.effects, ...fields };
    const requestKey = `key ${this.#keys++}`;
    const { id } = await this.store.submit({ kind, version: 1, input, submitter, requestKey });
    return id;
  }

  async until(id: string, state: TaskInfo['state'], timeoutMs = 120_000): Promise<TaskInfo> {
    let info: TaskInfo | undefined;
    await waitFor(
      async () => {
        info = await this.store.find(id);
        return info?.state === state;
      },
      { timeoutMs, what: `task ${id} to be ${state}` },
    );
    assert.ok(info);
    return info;
  }

  /** What a receiver that goes by tokens has got of each task, in the order of its tokens' first coming. */
  received(): Map<string, string[]> {
    const tokens = new Set<string>();
    const all = new Map<string, string[]>();
    const text = existsSync(this.effects) ? readFileSync(this.effects, 'utf8') : '';
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const token = line.slice(line.lastIndexOf(' ') + 1);
      if (tokens.has(token)) continue;
      tokens.add(token);
      const [id = ''] = line.split(' ', 1);
      all.set(id, [...(all.get(id) ?? []), line.slice(id.length + 1, -token.length - 1)]);
    }
    return all;
  }

  receivedOf(id: string): string[] {
    return this.received().get(id) ?? [];
  }

  receivedCount(): number {
    return [...this.received().values()].reduce((sum, each) => sum + each.length, 0);
  }
}
