import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { routeKeyOfUser } from '#services/security/session/login.ts';
import { cliAt } from '../cli-runner.ts';
import { activationFor, meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';

/** What an administrator does at the command line, on a mesh that runs. */
describe('the command line of a running mesh', function () {
  this.timeout(170_000);
  let own: OwnMesh;
  let phone: TestDevice;
  let folder: string;

  before(async function () {
    this.timeout(meshStartMs);
    folder = mkdtempSync(join(tmpdir(), 'sp-cli-mesh-'));
    const meshFile = join(folder, 'mesh.yaml');
    writeFileSync(meshFile, 'edge: { admin_api: true }\n');
    own = await ownMesh({ meshFile });
    phone = await enrolDevice(own);
  });

  after(async () => {
    phone?.device.close();
    await own?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]) => cliAt(own.stateDir, ...args);

  /** With --json: the object, of which `T` is what the test looks at. */
  const json = async <T>(...args: string[]): Promise<T & { ok: boolean; code: number }> => {
    const split = args.indexOf('--') < 0 ? args.length : args.indexOf('--');
    const { code, out, err } = await run(...args.slice(0, split), '--json', ...args.slice(split));
    const told = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as T & { ok: boolean };
    assert.equal(code, told.ok ? 0 : 1);
    assert.ok(told.ok, `${args.join(' ')}: ${err}`);
    return { ...told, code };
  };

  interface Listed {
    readonly items: Readonly<Record<string, string>>[];
    readonly nextPage: string;
  }

  describe('sessions', () => {
    const open = (): Promise<Session> => phone.device.open(phone.credentials);
    const ended = (session: Session): Promise<unknown> =>
      waitFor(() => session.fetch('/news').then(() => false, hasReason('SESSION_REVOKED')), {
        timeoutMs: 30_000,
        what: 'the session to be over',
      });

    it('are listed page by page, or all, and shown', async () => {
      const opened = [await open(), await open(), await open()];
      const first = await json<Listed>('sessions', 'list', '--user', 'anna', '--limit', '2');
      assert.equal(first.items.length, 2);
      const rest = await json<Listed>('sessions', 'list', '--user', 'anna', '--page', first.nextPage);
      const all = await json<Listed>('sessions', 'list', '--user', 'anna', '--all');
      assert.deepEqual([...first.items, ...rest.items].map(handle), all.items.map(handle));
      assert.equal(all.nextPage, '');
      const [newest] = opened.map(({ id }) => id.slice(0, id.lastIndexOf('.'))).slice(-1);
      assert.ok(all.items.some((each) => each.handle === newest));
      const { session } = await json<{ session: Record<string, string> }>(
        'sessions',
        'show',
        '--',
        newest ?? '',
      );
      assert.deepEqual([session.user, session.state], ['anna', 'SESSION_STATE_LIVE']);
      const shown = await run('sessions', 'show', '--', newest ?? '');
      assert.match(shown.out, /^state +live$/m);
      assert.match((await run('sessions', 'list')).out, /^anna +live .*\n/m);
    });

    it('end one by one, and all of a user', async () => {
      const [one, other] = [await open(), await open()];
      const only = one.id.slice(0, one.id.lastIndexOf('.'));
      const first = await json<{ everywhere: boolean }>(
        'sessions',
        'revoke',
        '--wait',
        'committed',
        '--',
        only,
      );
      assert.deepEqual([first.code, first.everywhere], [0, false]);
      await ended(one);
      assert.equal((await other.fetch('/news')).status, 200);
      const both = await json<{ everywhere: boolean }>('sessions', 'revoke', '--user', 'ANNA');
      assert.equal(both.everywhere, true);
      await assert.rejects(other.fetch('/news'));
      assert.equal((await json<Listed>('sessions', 'list')).items.length, 0);
      assert.ok((await json<Listed>('sessions', 'list', '--ended')).items.length >= 2);
    });

    it('are named once', async () => {
      for (const args of [[], ['--user', 'anna', '--everybody']]) {
        const { code, err } = await run('sessions', 'revoke', ...args);
        assert.equal(code, 2);
        assert.match(err, /^error USAGE: .*\nhint: /);
      }
    });
  });

  describe('users', () => {
    const passwordFile = (name: string, password: string): string => {
      const file = join(own.stateDir, `${name}.txt`);
      writeFileSync(file, `${password}\n`, { mode: 0o600 });
      return file;
    };
    const user = async (name: string): Promise<Record<string, unknown>> =>
      (await json<{ user: Record<string, unknown> }>('users', 'show', name)).user;
    const canLogIn = async (name: string, password: string): Promise<string> => {
      const edge = createConnectClient(SessionService, {
        address: own.edgeUrls[0] ?? '',
        defaultDeadlineMs: 10_000,
        ca: readFileSync(own.publicCa),
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
      await json('users', 'add', 'Carla', '--groups', 'staff,payroll', '--password-file', file);
      const again = await run('users', 'add', 'carla', '--no-password');
      assert.match(again.err, /^error ALREADY_EXISTS: /, again.out);
      assert.deepEqual((await user('CARLA')).groups, ['payroll', 'staff']);
      assert.equal(await canLogIn('carla', first), 'yes');
      const listed = await json<Listed>('users', 'list', '--group', 'payroll');
      assert.deepEqual(
        listed.items.map(({ name }) => name),
        ['carla'],
      );
      const changed = ['--add-groups', 'nurses', '--remove-groups', 'payroll', '--roles', 'viewer,helpdesk'];
      await json('users', 'set', 'carla', '--display-name', 'Carla C.', ...changed);
      const { displayName, groups, roles } = await user('carla');
      assert.deepEqual(
        { displayName, groups, roles },
        { displayName: 'Carla C.', groups: ['nurses', 'staff'], roles: ['ROLE_HELPDESK', 'ROLE_VIEWER'] },
      );
      assert.equal((await json<Listed>('users', 'list', '--role', 'helpdesk')).items.length, 1);
      assert.equal((await json<Listed>('users', 'list', '--prefix', 'car', '--limit', '1')).nextPage, '');
      await json('users', 'passwd', 'carla', '--password-file', passwordFile('second', second));
      assert.equal(await canLogIn('carla', first), 'CREDENTIALS_INVALID');
      assert.equal(await canLogIn('carla', second), 'yes');
      await json('users', 'disable', 'carla');
      assert.equal(await canLogIn('carla', second), 'CREDENTIALS_INVALID');
      await json('users', 'enable', 'carla');
      assert.equal(await canLogIn('carla', second), 'yes');
      await json('users', 'remove', 'carla', '--reason', 'has left');
      assert.equal(await canLogIn('carla', second), 'CREDENTIALS_INVALID');
      assert.match((await run('users', 'show', 'carla')).err, /^error NOT_FOUND: /);
    });

    it('lose their sessions with their groups, their password or themselves, and keep them otherwise', async () => {
      const file = passwordFile('dora', first);
      await json('users', 'add', 'dora', '--groups', 'staff', '--password-file', file);
      const device = await enrolDevice(own, { activation: await activationFor(own, 'dora') });
      const open = (password: string): Promise<Session> =>
        device.device.open({ ...device.credentials, user: 'dora', password });
      const lost = async (session: Session, ...args: string[]): Promise<void> => {
        assert.equal((await session.fetch('/news')).status, 200);
        const { position } = await json<{ position: number }>(...args);
        assert.ok(position > 0);
        await waitFor(() => session.fetch('/news').then(() => false, hasReason('SESSION_REVOKED')), {
          timeoutMs: 30_000,
          what: 'the session to be over',
        });
      };
      try {
        const kept = await open(first);
        await json('users', 'set', 'dora', '--display-name', 'D.', '--roles', 'viewer', '--groups', 'staff');
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
        await json('users', 'enable', 'dora');
        await lost(await open(second), 'users', 'remove', 'dora');
        // Somebody else of that name gets neither the password nor the phone.
        await json('users', 'add', 'dora', '--groups', 'staff', '--password-file', file);
        await assert.rejects(open(first), hasReason('ENROLMENT_REVOKED'));
      } finally {
        device.device.close();
      }
    });

    it('have passwords that are long enough, and names without control characters', async () => {
      const short = await run('users', 'passwd', 'anna', '--password-file', passwordFile('short', 'short'));
      assert.match(short.err, /^error INVALID_FIELD: /);
      assert.doesNotMatch(short.err, /short$/m);
      assert.match((await run('users', 'add', 'a\u0007b', '--no-password')).err, /^error INVALID_FIELD: /);
      assert.equal((await run('users', 'set', 'anna')).code, 2);
      assert.equal((await run('users', 'set', 'anna', '--roles', 'king')).code, 2);
    });
  });

  describe('people with roles', () => {
    const password = 'a password for a role';
    const as = async (name: string, roles: string): Promise<void> => {
      const file = join(own.stateDir, 'role.txt');
      writeFileSync(file, `${password}\n`, { mode: 0o600 });
      await json('users', 'add', name, '--roles', roles, '--password-file', file);
      await run('login', name, '--password-file', file);
      assert.match((await run('whoami')).out, new RegExp(`^${name}, in no group`));
    };
    const refused = async (...args: string[]): Promise<void> =>
      assert.match((await run(...args)).err, /^error CALLER_NOT_ALLOWED: /, args.join(' '));
    const allowed = async (...args: string[]): Promise<void> => {
      const { code, err } = await run(...args);
      assert.equal(code, 0, `${args.join(' ')}: ${err}`);
    };
    afterEach(() => run('logout'));

    it('may do what their role says, and no more', async () => {
      await as('vera', 'viewer');
      assert.equal(statSync(join(own.stateDir, 'login.json')).mode & 0o777, 0o600);
      await allowed('users', 'list');
      await allowed('sessions', 'list');
      await allowed('devices', 'list', '--user', 'anna');
      await allowed('policy', 'versions');
      await refused('activation', 'create', '--user', 'anna');
      await refused('sessions', 'revoke', '--user', 'anna');
      await run('logout');
      await as('hugo', 'helpdesk');
      await allowed('activation', 'create', '--user', 'anna');
      await allowed('devices', 'wipe', '--wait', 'committed', '--', phone.device.enrolment.deviceId);
      await allowed('sessions', 'revoke', '--user', 'nobody', '--wait', 'committed');
      await refused('sessions', 'revoke', '--everybody');
      await refused('users', 'disable', 'anna');
      await refused('keys', 'root-status');
      await run('logout');
      await as('otto', 'operator');
      await allowed('users', 'set', 'vera', '--display-name', 'V.');
      await refused('users', 'set', 'otto', '--roles', 'security-officer');
      await refused('users', 'add', 'evil', '--no-password', '--roles', 'viewer');
      await refused('keys', 'root-rotate');
      await run('logout');
      await as('olga', 'security-officer');
      await allowed('keys', 'root-rotate');
      await allowed('users', 'set', 'hugo', '--roles', 'viewer');
      await run('logout');
      await run('login', 'otto', '--password-file', join(own.stateDir, 'role.txt'));
      await refused('users', 'disable', 'olga');
      await refused('users', 'passwd', 'olga', '--password-file', join(own.stateDir, 'role.txt'));
    });

    it('may do nothing more once the role is taken away, or they have logged out', async () => {
      await as('paul', 'operator');
      await allowed('users', 'list');
      const token = readFileSync(join(own.stateDir, 'login.json'), 'utf8');
      rmSync(join(own.stateDir, 'login.json'));
      await allowed('users', 'set', 'paul', '--roles', '');
      writeFileSync(join(own.stateDir, 'login.json'), token, { mode: 0o600 });
      await refused('users', 'list');
      await allowed('logout');
      writeFileSync(join(own.stateDir, 'login.json'), token, { mode: 0o600 });
      assert.match((await run('users', 'list')).err, /^error TOKEN_INVALID: /);
      await allowed('logout');
      assert.match((await run('whoami')).out, /^Nobody is logged in/);
    });

    it('cannot be locked out of their own phones by whoever guesses their passwords', async () => {
      const edge = createConnectClient(SessionService, {
        address: own.edgeUrls[0] ?? '',
        defaultDeadlineMs: 10_000,
        ca: readFileSync(own.publicCa),
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
      const session = await phone.device.open(phone.credentials);
      assert.equal((await session.fetch('/news')).status, 200);
      await session.close();
    });
  });

  describe('doctor and logs', () => {
    it('find a mesh well, and tell of what is behind each figure', async () => {
      // A sidecar that other suites' machines keep waiting is well a moment later.
      await waitFor(async () => (await run('doctor')).code === 0, {
        timeoutMs: 60_000,
        what: 'a clean bill',
      });
      const told = await json<{ figures: { name: string }[]; running: boolean }>('doctor');
      assert.equal(told.running, true);
      const names = told.figures.map(({ name }) => name);
      for (const name of ['pods up', 'database group', 'envoy refusals', 'certificates', 'disk'])
        assert.ok(names.includes(name), name);
    });

    it('show what a pod has written', async () => {
      const { code, out } = await run('logs', '-n', '3', 'sec-0');
      assert.equal(code, 0);
      assert.match(out, /^sec-0 process \| \{/m);
      assert.doesNotMatch(out, /^sec-1 /m);
      assert.match((await run('logs', 'nobody')).err, /^error NOT_FOUND: .*nobody\nhint: pods are .*sec-0/);
    });
  });

  describe('apps', () => {
    it('are published, rolled out in stages, halted, rolled back and removed', async () => {
      const ofApp = ['--app', 'com.example.field', '--platform', 'linux'];
      const [old, next] = [join(folder, 'field-1.pkg'), join(folder, 'field-2.pkg')];
      const same = 'the same in both\n'.repeat(20_000);
      writeFileSync(old, `old\n${same}`);
      writeFileSync(next, `new\n${same}`);
      assert.match((await run('apps', 'channels')).out, /^Nothing is rolled out\./);
      const first = await run('apps', 'upload', old, ...ofApp, '--version', '1.3', '--notes', 'The first.');
      assert.match(first.out, /com\.example\.field 1\.3 for linux is published/);
      const taken = await run('apps', 'upload', next, ...ofApp, '--version', '1.3');
      assert.match(taken.err, /^error ALREADY_EXISTS: /);
      await json('apps', 'rollout', '1.3', ...ofApp);
      const second = await json<{ deltas: { fromVersion: string; share: number; uploaded: boolean }[] }>(
        'apps',
        'upload',
        next,
        ...ofApp,
        '--version',
        '1.4',
      );
      assert.deepEqual(
        second.deltas.map(({ fromVersion, uploaded }) => [fromVersion, uploaded]),
        [['1.3', true]],
      );
      const none = await run('apps', 'upload', next, ...ofApp, '--version', '1.4', '--delta-from', '1.2');
      assert.match(none.err, /^error NOT_FOUND: there is no release com\.example\.field 1\.2/);
      const out = await run('apps', 'rollout', '1.4', ...ofApp, '--percent', '5', '--groups', 'testers');
      assert.match(
        out.out,
        /offers 1\.4 to 5 % of the devices and the groups testers\.\nThe others are offered 1\.3\./,
      );
      assert.match(
        (await run('apps', 'halt', ...ofApp, '--why', 'it crashes')).out,
        /It is halted: it crashes/,
      );
      assert.match(
        (await run('apps', 'channels')).out,
        /1\.4 .* 5 % .* testers .* 1\.3 .*halted: it crashes/,
      );
      assert.doesNotMatch((await run('apps', 'resume', ...ofApp)).out, /halted/);
      const back = await run('apps', 'rollback', '1.4', ...ofApp);
      assert.match(
        back.out,
        /^1\.4 is withdrawn\.\nstable of com\.example\.field for linux offers 1\.3 to 100 %/,
      );
      const { items } = await json<Listed>('apps', 'list', '--app', 'com.example.field');
      assert.deepEqual(
        items.map(({ withdrawn }) => withdrawn),
        [true, false],
      );
      assert.match((await run('apps', 'remove', '1.3', ...ofApp)).err, /^error CHANGE_REFUSED: /);
      await json('apps', 'remove', '1.4', ...ofApp);
      await json('apps', 'rotate-keys', 'app.com.example.field');
      assert.match((await run('apps', 'rotate-keys', 'app.nobody')).err, /^error NOT_FOUND: /);
      // The policy of the demo says which versions of this app there may be.
      const bounds = ['--min', '1.1', '--blocked', '1.1.5'];
      const refused = await run('apps', 'versions', ...ofApp, ...bounds);
      assert.match(refused.err, /^error CHANGE_REFUSED: /);
      const another = ['--app', 'com.example.stock', '--platform', 'linux'];
      const rules = await run('apps', 'versions', ...another, ...bounds);
      assert.equal(rules.code, 0, rules.err);
      assert.match(
        (await run('apps', 'channels')).out,
        /com\.example\.stock for linux opens sessions with 1\.1 or newer, but not 1\.1\.5\./,
      );
    });
  });

  describe('policy', () => {
    it('is shown, compared, applied and explained', async () => {
      const session = await phone.device.open(phone.credentials);
      try {
        assert.equal((await session.fetch('/news')).status, 200);
        const shown = await run('policy', 'show');
        const old = join(own.stateDir, 'old.yaml');
        const draft = join(own.stateDir, 'draft.yaml');
        writeFileSync(old, shown.out);
        writeFileSync(
          draft,
          shown.out.replace(/name: staff\n( +)groups:\n +- staff/, 'name: staff\n$1groups:\n$1  - nobody'),
        );
        const diff = await json<{ changed: string[]; effects: unknown }>('policy', 'diff', draft);
        assert.deepEqual(diff.changed, ['intranet']);
        assert.deepEqual(diff.effects, [{ resource: 'intranet', gain: [], lose: ['anna'] }]);
        assert.match(
          (await run('policy', 'apply', '--dry-run', draft)).out,
          /1 user \(anna\) would lose intranet/,
        );
        assert.match((await run('policy', 'apply', '--expect', '7', draft)).err, /^error POLICY_CHANGED: /);
        const applied = await json<{ version: number }>('policy', 'apply', '--expect', '1', draft);
        assert.equal(applied.version, 2);
        await waitFor(() => session.fetch('/news').then(() => false, hasReason('POLICY_DENIED')), {
          timeoutMs: 30_000,
          what: 'the new policy to decide',
        });
        const asked = ['--user', 'anna', '--app', 'com.example.field', '--app-version', '1.4'];
        const denied = await json<{ reason: string }>('policy', 'explain', ...asked, 'intranet.example/news');
        assert.equal(denied.reason, 'NO_RULE');
        const again = await json<{ allow: boolean }>(
          'policy',
          'explain',
          ...asked,
          '--policy',
          old,
          'intranet.example/news',
        );
        assert.equal(again.allow, true);
        assert.equal((await json<{ applied: boolean }>('policy', 'apply', draft)).applied, false);
        await json('policy', 'apply', old);
        const { items } = await json<Listed>('policy', 'versions');
        assert.deepEqual(
          items.map(({ version, author }) => `${version} ${author}`),
          ['3 operator/operator', '2 operator/operator', '1 seed'],
        );
        await waitFor(
          () => session.fetch('/news').then(({ status }) => status === 200, hasNot('POLICY_DENIED')),
          {
            timeoutMs: 30_000,
            what: 'the old policy to decide',
          },
        );
      } finally {
        await session.close();
      }
    });

    it('is refused with the place and the rule that it breaks', async () => {
      const bad = join(own.stateDir, 'bad.yaml');
      writeFileSync(bad, 'resources:\n  - name: x\n    bakend: y\n');
      const { code, err } = await run('policy', 'apply', bad);
      assert.equal(code, 1);
      assert.match(err, /^error POLICY_INVALID: .*bakend.*\nhint: /);
    });
  });

  describe('activation and keys', () => {
    it('enrol, rotate and revoke a device', async () => {
      const file = join(own.stateDir, 'bert.txt');
      await json('activation', 'create', '--user', 'anna', '--ttl', '5m', '--output', file);
      assert.equal(statSync(file).mode & 0o777, 0o600);
      assert.equal((await run('activation', 'create', '--user', 'anna', '--output', file)).code, 1);
      const device = await json<{ routeKey: string }>(
        'device',
        'enroll',
        '--name',
        'bert',
        '--activation-file',
        file,
      );
      const find = async () =>
        (await json<Listed>('keys', 'list', '--all', '--revoked')).items.find(
          ({ routeKey }) => routeKey === device.routeKey,
        );
      assert.equal((await find())?.deviceName, 'bert');
      assert.equal((await run('keys', 'rotate', '--', device.routeKey)).code, 0);
      assert.equal(String((await find())?.rotationPending), 'true');
      assert.equal((await run('keys', 'revoke', '--reason', 'lost', '--', device.routeKey)).code, 0);
      assert.ok((await find())?.revokedAt);
      assert.match((await run('keys', 'revoke', '--', 'A'.repeat(22))).err, /^error KEY_UNKNOWN: /);
    });

    it('show an activation as text and as a code to scan', async () => {
      const { out, err } = await run('activation', 'create', '--user', 'anna', '--qr');
      assert.match(out, /▀/);
      assert.match(err, /once, until \d{4}-/);
      const plain = await run('activation', 'create', '--user', 'anna');
      assert.match(plain.out, /^\S{60,}\n$/);
      assert.match((await run('activation', 'create', '--user', 'nobody')).err, /^error NOT_FOUND: /);
    });

    it('tell of the root key, and wrap under it again', async () => {
      const status = await json<{ currentRootKeyId: string }>('keys', 'root-status');
      const rotated = await json<{ currentRootKeyId: string }>('keys', 'root-rotate');
      assert.ok(status.currentRootKeyId);
      assert.equal(rotated.currentRootKeyId, status.currentRootKeyId);
    });
  });
});

const handle = (session: Readonly<Record<string, string>>): string => session.handle ?? '';

const hasReason =
  (reason: string) =>
  (error: unknown): boolean =>
    SallyportError.from(error).reason === reason;

/** False for the reason that is waited to be over; anything else fails the test. */
const hasNot =
  (reason: string) =>
  (error: unknown): boolean => {
    if (SallyportError.from(error).reason === reason) return false;
    throw error;
  };
