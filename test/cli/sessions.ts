import assert from 'node:assert/strict';
import { it } from 'mocha';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { type CliWorld, hasReason, type Listed } from './world.ts';

/** Sessions, listed, shown and ended. */
export function sessionCases(world: CliWorld): void {
  const open = (): Promise<Session> => world.phone.device.open(world.phone.credentials);
  const ended = (session: Session): Promise<unknown> =>
    waitFor(() => session.fetch('/news').then(() => false, hasReason('SESSION_REVOKED')), {
      timeoutMs: 30_000,
      what: 'the session to be over',
    });

  it('are listed page by page, or all, and shown', async () => {
    const opened = [await open(), await open(), await open()];
    const first = await world.json<Listed>('sessions', 'list', '--user', 'anna', '--limit', '2');
    assert.equal(first.items.length, 2);
    const rest = await world.json<Listed>('sessions', 'list', '--user', 'anna', '--page', first.nextPage);
    const all = await world.json<Listed>('sessions', 'list', '--user', 'anna', '--all');
    assert.deepEqual([...first.items, ...rest.items].map(handle), all.items.map(handle));
    assert.equal(all.nextPage, '');
    const [newest] = opened.map(({ id }) => id.slice(0, id.lastIndexOf('.'))).slice(-1);
    assert.ok(all.items.some((each) => each.handle === newest));
    const { session } = await world.json<{ session: Record<string, string> }>(
      'sessions',
      'show',
      '--',
      newest ?? '',
    );
    assert.deepEqual([session.user, session.state], ['anna', 'SESSION_STATE_LIVE']);
    const shown = await world.run('sessions', 'show', '--', newest ?? '');
    assert.match(shown.out, /^state +live$/m);
    assert.match((await world.run('sessions', 'list')).out, /^anna +live .*\n/m);
  });

  it('end one by one, and all of a user', async () => {
    const [one, other] = [await open(), await open()];
    const only = one.id.slice(0, one.id.lastIndexOf('.'));
    const first = await world.json<{ everywhere: boolean }>(
      'sessions',
      'revoke',
      '--wait',
      'committed',
      '--',
      only,
    );
    assert.equal(first.everywhere, false);
    await ended(one);
    assert.equal((await other.fetch('/news')).status, 200);
    const both = await world.json<{ everywhere: boolean }>('sessions', 'revoke', '--user', 'ANNA');
    assert.equal(both.everywhere, true);
    await assert.rejects(other.fetch('/news'));
    assert.equal((await world.json<Listed>('sessions', 'list')).items.length, 0);
    assert.ok((await world.json<Listed>('sessions', 'list', '--ended')).items.length >= 2);
  });

  it('are named once', async () => {
    for (const args of [[], ['--user', 'anna', '--everybody']]) {
      const { code, err } = await world.run('sessions', 'revoke', ...args);
      assert.equal(code, 2);
      assert.match(err, /^error USAGE: .*\nhint: /);
    }
  });
}

const handle = (session: Readonly<Record<string, string>>): string => session.handle ?? '';
