import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { routeKeyOfUser } from '#services/security/session/login.ts';
import { activationFor } from '../mesh.ts';
import { enrolDevice } from '../mesh-device.ts';
import { type CliWorld, hasReason, type Listed } from './world.ts';

/** Users, made and changed; what becomes of their sessions. */
export function userCases(world: CliWorld): void {
  const passwordFile = (name: string, password: string): string => {
    const file = join(world.own.stateDir, `${name}.txt`);
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    return file;
  };
  const user = async (name: string): Promise<Record<string, unknown>> =>
    (await world.json<{ user: Record<string, unknown> }>('users', 'show', name)).user;
  const canLogIn = async (name: string, password: string): Promise<string> => {
    const edge = createConnectClient(SessionService, {
      address: world.own.edgeUrls[0] ?? '',
      defaultDeadlineMs: 10_000,
      ca: readFileSync(world.own.publicCa),
    });
    const headers = { 'x-sallyport-route': routeKeyOfUser(name) };
    return edge.login({ user: name, password }, { headers }).then(
      () => 'yes',
      (error: unknown) => SallyportError.from(error).reason,
    );
  };
  const first = 'a first long password';
  const second = 'a second long password';

  it('are made, listed, changed and removed', async () => {
    const file = passwordFile('first', first);
    await world.json('users', 'add', 'Carla', '--groups', 'staff,payroll', '--password-file', file);
    const again = await world.run('users', 'add', 'carla', '--no-password');
    assert.match(again.err, /^error ALREADY_EXISTS: /, again.out);
    assert.deepEqual((await user('CARLA')).groups, ['payroll', 'staff']);
    assert.equal(await canLogIn('carla', first), 'yes');
    const listed = await world.json<Listed>('users', 'list', '--group', 'payroll');
    assert.deepEqual(
      listed.items.map(({ name }) => name),
      ['carla'],
    );
    const changed = ['--add-groups', 'nurses', '--remove-groups', 'payroll', '--roles', 'viewer,helpdesk'];
    await world.json('users', 'set', 'carla', '--display-name', 'Carla C.', ...changed);
    const { displayName, groups, roles } = await user('carla');
    assert.deepEqual(
      { displayName, groups, roles },
      { displayName: 'Carla C.', groups: ['nurses', 'staff'], roles: ['ROLE_HELPDESK', 'ROLE_VIEWER'] },
    );
    assert.equal((await world.json<Listed>('users', 'list', '--role', 'helpdesk')).items.length, 1);
    assert.equal((await world.json<Listed>('users', 'list', '--prefix', 'car', '--limit', '1')).nextPage, '');
    await world.json('users', 'passwd', 'carla', '--password-file', passwordFile('second', second));
    assert.equal(await canLogIn('carla', first), 'CREDENTIALS_INVALID');
    assert.equal(await canLogIn('carla', second), 'yes');
    await world.json('users', 'disable', 'carla');
    assert.equal(await canLogIn('carla', second), 'CREDENTIALS_INVALID');
    await world.json('users', 'enable', 'carla');
    assert.equal(await canLogIn('carla', second), 'yes');
    await world.json('users', 'remove', 'carla', '--reason', 'has left');
    assert.equal(await canLogIn('carla', second), 'CREDENTIALS_INVALID');
    assert.match((await world.run('users', 'show', 'carla')).err, /^error NOT_FOUND: /);
  });

  it('lose their sessions with their groups, their password or themselves, and keep them otherwise', async () => {
    const file = passwordFile('dora', first);
    await world.json('users', 'add', 'dora', '--groups', 'staff', '--password-file', file);
    const device = await enrolDevice(world.own, { activation: await activationFor(world.own, 'dora') });
    const open = (password: string): Promise<Session> =>
      device.device.open({ ...device.credentials, user: 'dora', password });
    const lost = async (session: Session, ...args: string[]): Promise<void> => {
      assert.equal((await session.fetch('/news')).status, 200);
      const { position } = await world.json<{ position: number }>(...args);
      assert.ok(position > 0);
      await waitFor(() => session.fetch('/news').then(() => false, hasReason('SESSION_REVOKED')), {
        timeoutMs: 30_000,
        what: 'the session to be over',
      });
    };
    try {
      const kept = await open(first);
      await world.json(
        'users',
        'set',
        'dora',
        '--display-name',
        'D.',
        '--roles',
        'viewer',
        '--groups',
        'staff',
      );
      await lost(kept, 'users', 'set', 'dora', '--add-groups', 'nurses');
      await lost(
        await open(first),
        'users',
        'passwd',
        'dora',
        '--password-file',
        passwordFile('second', second),
      );
      await lost(await open(second), 'users', 'disable', 'dora');
      await world.json('users', 'enable', 'dora');
      await lost(await open(second), 'users', 'remove', 'dora');
      // Somebody else of that name gets neither the password nor the world.phone.
      await world.json('users', 'add', 'dora', '--groups', 'staff', '--password-file', file);
      await assert.rejects(open(first), hasReason('ENROLMENT_REVOKED'));
    } finally {
      device.device.close();
    }
  });

  it('have passwords that are long enough, and names without control characters', async () => {
    const short = await world.run(
      'users',
      'passwd',
      'anna',
      '--password-file',
      passwordFile('short', 'short'),
    );
    assert.match(short.err, /^error INVALID_FIELD: /);
    assert.doesNotMatch(short.err, /short$/m);
    assert.match(
      (await world.run('users', 'add', 'a\u0007b', '--no-password')).err,
      /^error INVALID_FIELD: /,
    );
    assert.equal((await world.run('users', 'set', 'anna')).code, 2);
    assert.equal((await world.run('users', 'set', 'anna', '--roles', 'king')).code, 2);
  });
}
