import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { routeKeyOfUser } from '#services/security/session/login.ts';
import type { CliWorld } from './world.ts';

/** What people may do by their roles. */
export function roleCases(world: CliWorld): void {
  const password = 'a password for a role';
  const as = async (name: string, roles: string): Promise<void> => {
    const file = join(world.own.stateDir, 'role.txt');
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    await world.json('users', 'add', name, '--roles', roles, '--password-file', file);
    await world.run('login', name, '--password-file', file);
    assert.match((await world.run('whoami')).out, new RegExp(`^${name}, in no group`));
  };
  const refused = async (...args: string[]): Promise<void> =>
    assert.match((await world.run(...args)).err, /^error CALLER_NOT_ALLOWED: /, args.join(' '));
  const allowed = async (...args: string[]): Promise<void> => {
    const { code, err } = await world.run(...args);
    assert.equal(code, 0, `${args.join(' ')}: ${err}`);
  };
  afterEach(() => world.run('logout'));

  it('may do what their role says, and no more', async () => {
    await as('vera', 'viewer');
    assert.equal(statSync(join(world.own.stateDir, 'login.json')).mode & 0o777, 0o600);
    await allowed('users', 'list');
    await allowed('sessions', 'list');
    await allowed('devices', 'list', '--user', 'anna');
    await allowed('policy', 'versions');
    await refused('activation', 'create', '--user', 'anna');
    await refused('sessions', 'revoke', '--user', 'anna');
    await world.run('logout');
    await as('hugo', 'helpdesk');
    await allowed('activation', 'create', '--user', 'anna');
    await allowed('devices', 'wipe', '--wait', 'committed', '--', world.phone.device.enrolment.deviceId);
    await allowed('sessions', 'revoke', '--user', 'nobody', '--wait', 'committed');
    await refused('sessions', 'revoke', '--everybody');
    await refused('users', 'disable', 'anna');
    await refused('keys', 'root-status');
    await world.run('logout');
    await as('otto', 'operator');
    await allowed('users', 'set', 'vera', '--display-name', 'V.');
    await refused('users', 'set', 'otto', '--roles', 'security-officer');
    await refused('users', 'add', 'evil', '--no-password', '--roles', 'viewer');
    await refused('keys', 'root-rotate');
    await world.run('logout');
    await as('olga', 'security-officer');
    await allowed('keys', 'root-rotate');
    await allowed('users', 'set', 'hugo', '--roles', 'viewer');
    await world.run('logout');
    await world.run('login', 'otto', '--password-file', join(world.own.stateDir, 'role.txt'));
    await refused('users', 'disable', 'olga');
    await refused('users', 'passwd', 'olga', '--password-file', join(world.own.stateDir, 'role.txt'));
  });

  it('may do nothing more once the role is taken away, or they have logged out', async () => {
    await as('paul', 'operator');
    await allowed('users', 'list');
    const token = readFileSync(join(world.own.stateDir, 'login.json'), 'utf8');
    rmSync(join(world.own.stateDir, 'login.json'));
    await allowed('users', 'set', 'paul', '--roles', '');
    writeFileSync(join(world.own.stateDir, 'login.json'), token, { mode: 0o600 });
    await refused('users', 'list');
    await allowed('logout');
    writeFileSync(join(world.own.stateDir, 'login.json'), token, { mode: 0o600 });
    assert.match((await world.run('users', 'list')).err, /^error TOKEN_INVALID: /);
    await allowed('logout');
    assert.match((await world.run('whoami')).out, /^Nobody is logged in/);
  });

  it('cannot be locked out of their own phones by whoever guesses their passwords', async () => {
    const edge = createConnectClient(SessionService, {
      address: world.own.edgeUrls[0] ?? '',
      defaultDeadlineMs: 10_000,
      ca: readFileSync(world.own.publicCa),
      headers: { 'x-sallyport-route': routeKeyOfUser('anna') },
    });
    const reasons: string[] = [];
    while (reasons.at(-1) !== 'THROTTLED' && reasons.length < 50) {
      const guess = edge.login({ user: 'anna', password: `guess ${reasons.length}` });
      reasons.push(
        await guess.then(
          () => 'in',
          (error: unknown) => SallyportError.from(error).reason,
        ),
      );
    }
    assert.equal(reasons.at(-1), 'THROTTLED');
    const session = await world.phone.device.open(world.phone.credentials);
    assert.equal((await session.fetch('/news')).status, 200);
    await session.close();
  });
}
