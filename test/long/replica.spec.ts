import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { after, afterEach, before, describe, it } from 'mocha';
import { connect } from '#kernel/db/connection.ts';
import type { Db } from '#kernel/db/db.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type DbGroup, type DbNode, startDbGroup, tellNodes } from '#test/db-group.ts';
import { type NoteTables, openNotes, writeNote } from '#test/db-notes.ts';

describe('a replica of the database group', function () {
  this.timeout(240_000);
  let group: DbGroup;
  let replica: DbNode;
  let db: Db<NoteTables>;
  let nextId = 1;

  const write = async (): Promise<number> => {
    const id = nextId++;
    await writeNote(db, id);
    return id;
  };
  const has = async (id: number): Promise<boolean> => {
    const at = await connect<NoteTables>({
      socketPath: replica.mysqldSocket,
      user: 'sallyport',
      password: group.passwords.app,
      database: 'sallyport',
      connectTimeoutMs: 2000,
    });
    try {
      const { rows } = await sql<{ n: number }>`select count(*) as n from notes where id = ${id}`.execute(
        at.kysely,
      );
      return Number(rows[0]?.n) === 1;
    } finally {
      at.cut(new Error('done'));
    }
  };
  const arrives = (id: number): Promise<unknown> =>
    waitFor(() => has(id).catch(() => false), {
      timeoutMs: 120_000,
      everyMs: 200,
      what: `note ${id} at the replica`,
    });
  const follows = (whom: (source: string | undefined) => boolean): Promise<unknown> =>
    waitFor(
      async () => {
        const { phase, replica: word } = await replica.status();
        return phase === 'following' && word?.connected === true && whom(word.source);
      },
      { timeoutMs: 120_000, everyMs: 200, what: 'the replica to follow' },
    );

  before(async () => {
    group = await startDbGroup({ replica: true });
    replica = group.replica as DbNode;
    await group.online();
    db = await openNotes(group);
  });
  after(async () => {
    await db?.close();
    await group?.close();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await tellNodes(group);
  });

  it('becomes a copy by itself and has what is committed, within its lag', async () => {
    const id = await write();
    await arrives(id);
    await follows((source) => source !== undefined);
    await waitFor(async () => ((await replica.status()).replica?.lagMs ?? Number.POSITIVE_INFINITY) < 1000, {
      timeoutMs: 60_000,
      what: 'a lag below a second',
    });
    const { state, writable } = await replica.status();
    assert.deepEqual({ state, writable }, { state: 'OFFLINE', writable: false });
  });

  it('goes on with another member when the one that it follows is killed, agent and all', async () => {
    const { replica: word } = await replica.status();
    const source = group.nodes.find(({ pod }) => pod === word?.source) as DbNode;
    await source.killAgent();
    await source.killMysqld();
    await follows((now) => now !== undefined && now !== source.pod);
    await arrives(await write());
    source.startAgent();
    await group.online();
  });

  it('goes on after the primary has failed over', async () => {
    const primary = await group.primary();
    await primary.killMysqld();
    await arrives(await write());
    await group.online();
    await follows((source) => source !== undefined);
  });

  it('goes on from where it was when its own mysqld, or its agent, is killed', async () => {
    await replica.killMysqld();
    await arrives(await write());
    await replica.killAgent();
    const id = await write();
    replica.startAgent();
    await arrives(id);
    await follows((source) => source !== undefined);
  });

  it('is made a copy again when an operator asks for it, the data being kept aside', async () => {
    assert.equal(await replica.order('/rebuild'), 202);
    await waitFor(async () => (await replica.status()).phase === 'copying', {
      timeoutMs: 60_000,
      everyMs: 50,
      what: 'it to copy',
    });
    await arrives(await write());
    await follows((source) => source !== undefined);
    await readFile(join(replica.dir, 'data.aside', 'auto.cnf'));
  });
});
