import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { connect } from '#kernel/db/connection.ts';
import type { Db } from '#kernel/db/db.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { AgentStatus } from '#services/db-agent/status.ts';
import { type DbGroup, type DbNode, startDbGroup, tellNodes } from '#test/db-group.ts';
import { type NoteTables, openNotes, writeNote } from '#test/db-notes.ts';
import { askAgent } from '#test/db-relay.ts';

describe('a replica that takes over from its group', function () {
  this.timeout(300_000);
  let group: DbGroup;
  let replica: DbNode;
  let db: Db<NoteTables>;
  let acknowledged: number[] = [];

  const write = async (id: number): Promise<void> => {
    await writeNote(db, id);
    acknowledged.push(id);
  };
  const eventually = (what: string, good: () => Promise<boolean>, ms = 120_000): Promise<unknown> =>
    waitFor(() => good().catch(() => false), { timeoutMs: ms, everyMs: 200, what });
  const says = (node: DbNode, what: string, good: (status: AgentStatus) => boolean): Promise<unknown> =>
    eventually(`${node.pod} ${what}`, async () => good(await node.status()));
  const caughtUp = (): Promise<unknown> =>
    says(
      replica,
      'to have caught up',
      ({ replica: word }) => (word?.lagMs ?? Number.POSITIVE_INFINITY) < 1000,
    );
  const question = async <T>(node: DbNode, ask: ReturnType<typeof sql<T>>): Promise<readonly T[]> => {
    const at = await connect<NoteTables>({
      ...{ socketPath: node.mysqldSocket, user: 'sallyport', password: group.passwords.app },
      ...{ database: 'sallyport', connectTimeoutMs: 2000 },
    });
    try {
      return (await ask.execute(at.kysely)).rows;
    } finally {
      at.cut(new Error('done'));
    }
  };
  /** Its agent ends, as what it has become needs another start: in a mesh the runner does that. */
  const promote = async (): Promise<void> => {
    assert.equal(await replica.order('/promote'), 202);
    await replica.ended(120_000);
    replica.startAgent();
    await eventually(
      'the replica to be primary',
      async () => (await askAgent(replica.agentSocket, 'GET', '/primary')) === 200,
    );
  };
  const killAll = async (): Promise<void> => {
    await Promise.all(group.nodes.map((node) => node.killAgent()));
    await Promise.all(group.nodes.map((node) => node.killMysqld()));
  };
  /** None of the old group serves anybody, and all of them know why. */
  const areSuperseded = async (): Promise<void> => {
    for (const node of group.nodes) {
      await says(
        node,
        'to know that it is superseded',
        ({ superseded, state, waitingFor }) =>
          superseded && state === 'OFFLINE' && /has taken over/.test(waitingFor ?? ''),
      );
      for (const path of ['/primary', '/readable'])
        assert.equal(await askAgent(node.agentSocket, 'GET', path), 503);
    }
  };

  beforeEach(async () => {
    acknowledged = [];
    group = await startDbGroup({ replica: true });
    replica = group.replica as DbNode;
    await group.online();
    db = await openNotes(group, [
      { name: 'test-0002-era', up: 'create table era (id int primary key, era bigint not null)' },
      { name: 'test-0003-era', up: 'insert into era values (1, 7)' },
    ]);
    await write(1);
    await caughtUp();
  });
  afterEach(async function () {
    if (this.currentTest?.state === 'failed') await tellNodes(group);
    await db?.close();
    await group?.close();
  });

  it('has all that a living group has acknowledged, in a new era; the group ends, and knows it without a link', async () => {
    let go = true;
    const writing = (async () => {
      for (let id = 2; go; id += 1) await write(id).catch(() => undefined);
    })();
    try {
      await promote();
      await areSuperseded();
    } finally {
      go = false;
    }
    await db.close();
    await writing;
    const had = await question(replica, sql<{ id: number }>`select id from notes`);
    const there = new Set(had.map(({ id }) => Number(id)));
    assert.deepEqual(
      acknowledged.filter((id) => !there.has(id)),
      [],
    );
    assert.ok(acknowledged.length > 1);
    assert.deepEqual(
      (await question(replica, sql<{ era: number }>`select era from era`)).map(({ era }) => Number(era)),
      [8],
    );
    await question(replica, sql`insert into notes values (1000000)`);

    await replica.killAgent();
    await killAll();
    for (const node of group.nodes) node.startAgent();
    await areSuperseded();
  });

  it('takes over from a group that is gone, which comes back and waits for its word, and then for an operator', async () => {
    await killAll();
    await promote();
    await replica.killAgent();
    for (const node of group.nodes) node.startAgent();
    for (const node of group.nodes)
      await says(node, 'to wait for the word of the replica', ({ waitingFor }) =>
        /the word of db-far-0/.test(waitingFor ?? ''),
      );
    replica.startAgent();
    await areSuperseded();
    assert.equal(await askAgent(replica.agentSocket, 'GET', '/primary'), 200);
    // Not even an operator's order to form the group is one to serve beside the new master.
    assert.equal(await group.nodes[0]?.order('/bootstrap'), 202);
    await areSuperseded();
  });

  it('is promoted while the old group is coming back: one of them serves in the end', async () => {
    await killAll();
    for (const node of group.nodes) node.startAgent();
    await promote();
    await areSuperseded();
    assert.equal(await askAgent(replica.agentSocket, 'GET', '/primary'), 200);
  });

  it('is refused for a member, and done again when it was cut off half-way', async () => {
    assert.equal(await group.nodes[0]?.order('/promote'), 409);
    await killAll();
    assert.equal(await replica.order('/promote'), 202);
    await replica.killAgent();
    await replica.killMysqld();
    replica.startAgent();
    await replica.ended(120_000);
    replica.startAgent();
    await eventually(
      'the replica to be primary',
      async () => (await askAgent(replica.agentSocket, 'GET', '/primary')) === 200,
    );
    assert.equal(
      Number((await question(replica, sql<{ era: number }>`select era from era`))[0]?.era) >= 8,
      true,
    );
  });
});
