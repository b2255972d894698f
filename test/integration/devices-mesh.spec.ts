import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { parse } from 'yaml';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { cliAt, cliJson } from '../cli-runner.ts';
import { activationFor, meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';

interface Document {
  apps?: object[];
  resources: { name: string; rules: Record<string, unknown>[] }[];
}
const demoPolicy = new URL('../../compose/demo/policy.yaml', import.meta.url);

/** Through edges, sidecars and proxies; edges let no administrators in, as by default. */
describe('devices on a whole mesh', function () {
  this.timeout(170_000);
  let own: OwnMesh;
  let phone: TestDevice;
  let folder: string;

  before(async function () {
    this.timeout(meshStartMs);
    folder = mkdtempSync(join(tmpdir(), 'sp-devices-'));
    own = await ownMesh();
    phone = await enrolDevice(own);
  });
  after(async () => {
    phone?.device.close();
    await own?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const run = (...args: string[]) => cliAt(own.stateDir, ...args);
  const json = <T>(...args: string[]): Promise<T> => cliJson<T>(own.stateDir, ...args);
  interface Shown {
    readonly device: Record<string, string>;
  }
  const fails = async (reason: string, ...args: string[]): Promise<void> =>
    assert.match((await run(...args)).err, new RegExp(`^error ${reason}: `), args.join(' '));
  const open = (device: TestDevice): Promise<Session> => device.device.open(device.credentials);
  const ends = (session: Session, reason: string): Promise<unknown> =>
    waitFor(
      () =>
        session.fetch('/news').then(
          () => false,
          (error) => SallyportError.from(error).reason === reason,
        ),
      { timeoutMs: 30_000, what: `the session to be over by ${reason}` },
    );
  const apply = async (change: (document: Document) => void): Promise<void> => {
    const document = parse(readFileSync(demoPolicy, 'utf8')) as Document;
    change(document);
    const file = join(folder, 'policy.json');
    writeFileSync(file, JSON.stringify(document));
    await json('policy', 'apply', file);
  };

  it('are seen, renamed, blocked, wiped and replaced at the command line', async () => {
    const { deviceId } = phone.device.enrolment;
    const session = await open(phone);
    assert.equal((await session.fetch('/news')).status, 200);
    await waitFor(
      async () => (await json<Shown>('devices', 'show', '--', deviceId)).device.appVersion === '1.2.0',
      { timeoutMs: 30_000, what: 'the device to have been seen' },
    );
    await json('devices', 'rename', '--', deviceId, 'the night phone');
    assert.match((await run('devices', 'list', '--user', 'anna')).out, /^anna +the night phone +enrolled/m);
    assert.match((await run('devices', 'show', '--', deviceId)).out, /^the night phone of anna, enrolled$/m);
    const blocked = await json<Shown & { everywhere: boolean }>('devices', 'block', '--', deviceId);
    assert.deepEqual(
      [blocked.everywhere, blocked.device.state, blocked.device.blockedBy],
      [true, 'DEVICE_STATE_BLOCKED', 'operator/operator'],
    );
    await ends(session, 'SESSION_REVOKED');
    // What is over cannot be saved: its key is wiped.
    await assert.rejects(session.renew(), hasReason('SESSION_REVOKED'));
    await assert.rejects(open(phone), hasReason('DEVICE_BLOCKED'));
    assert.match((await run('devices', 'unblock')).err, /which one/);
    await json('devices', 'unblock', '--blocked-by', 'restore/era-2');
    await assert.rejects(open(phone), hasReason('DEVICE_BLOCKED'));
    await json('devices', 'unblock', '--blocked-by', 'operator/operator');
    const again = await open(phone);
    assert.equal((await again.fetch('/news')).status, 200);
    await json('devices', 'wipe', '--', deviceId);
    await ends(again, 'SESSION_REVOKED');
    const { activation } = await json<{ activation: string }>('devices', 'replace', '--', deviceId);
    const kept = await open(phone);
    const next = await enrolDevice(own, { activation });
    await ends(kept, 'SESSION_REVOKED');
    await assert.rejects(open(phone), hasReason('ENROLMENT_REVOKED'));
    phone.device.close();
    phone = next;
    assert.equal((await (await open(phone)).fetch('/news')).status, 200);
    assert.match((await run('devices', 'list', '--revoked')).out, /^anna +the night phone +revoked/m);
  });

  it('are people’s own past an edge that lets no administrators in, whatever their role', async () => {
    const file = join(folder, 'password');
    const password = 'a password of hers';
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    const admin = ['--roles', 'security-officer', '--groups', 'staff'];
    await json('users', 'add', 'vera', ...admin, '--password-file', file);
    const hers = await enrolDevice(own, { activation: await activationFor(own, 'vera') });
    const annas = phone.device.enrolment.deviceId;
    try {
      await json('login', 'vera', '--password-file', file);
      const { items } = await json<{ items: Record<string, string>[] }>('devices', 'list');
      assert.deepEqual(
        items.map(({ user }) => user),
        ['vera'],
      );
      await fails('NOT_FOUND', 'devices', 'block', '--', annas);
      await fails('CALLER_NOT_ALLOWED', 'devices', 'list', '--user', 'anna');
      const { deviceId } = hers.device.enrolment;
      const credentials = { ...hers.credentials, user: 'vera', password };
      const session = await hers.device.open(credentials);
      await json('devices', 'block', '--reason', 'left in a taxi', '--', deviceId);
      await ends(session, 'SESSION_REVOKED');
      await json('devices', 'unblock', '--', deviceId);
      await (await hers.device.open(credentials)).close();
    } finally {
      await run('logout');
      hers.device.close();
    }
  });

  // A session has a proxy of its own, and each learns of a policy by itself.
  const knowsThePolicy = (session: Session): Promise<unknown> =>
    waitFor(
      () =>
        session.fetch('/payroll').then(
          () => true,
          (error) => !SallyportError.from(error).message.includes('no rule of payroll'),
        ),
      { timeoutMs: 30_000, what: 'the policy to have reached the proxy of this session' },
    );

  it('step up for what asks for two factors, over the link that they have', async () => {
    await apply(({ resources }) => {
      for (const rule of resources.find(({ name }) => name === 'intranet')?.rules ?? []) {
        if (rule.effect !== 'deny') rule.minAuthLevel = 1;
      }
      resources
        .find(({ name }) => name === 'payroll')
        ?.rules.push({
          ...{ name: 'staff with two factors', groups: ['staff'], minAuthLevel: 2 },
        });
    });
    const session = await phone.device.open({ ...phone.credentials, newPin: '314159' });
    assert.equal((await session.fetch('/news')).status, 200);
    await knowsThePolicy(session);
    await assert.rejects(session.fetch('/payroll'), /asks for level 2/);
    await assert.rejects(session.stepUp({ pin: '000000' }), hasReason('CREDENTIALS_INVALID'));
    await session.stepUp({ pin: '314159' });
    assert.equal((await session.fetch('/payroll')).status, 200);
    const { user, origin, password } = phone.credentials;
    const byPin = await phone.device.open({ user, origin, pin: '314159' });
    assert.equal((await byPin.fetch('/news')).status, 200);
    const both = await phone.device.open({ user, origin, pin: '314159', password });
    await knowsThePolicy(both);
    assert.equal((await both.fetch('/payroll')).status, 200);
  });

  it('lose their sessions to a policy that takes their app no more', async () => {
    const session = await open(phone);
    assert.equal((await session.fetch('/news')).status, 200);
    await apply((document) => {
      document.apps = [{ id: phone.device.enrolment.appId, minVersion: '2.0' }];
    });
    await ends(session, 'APP_REFUSED');
    // Each pod finds a new policy with its next look at the feed.
    await waitFor(() => open(phone).then(() => false, hasReason('APP_REFUSED')), {
      timeoutMs: 30_000,
      what: 'no session to be opened',
    });
    await apply(() => {});
    await waitFor(
      () =>
        open(phone).then(
          () => true,
          (error) => !hasReason('APP_REFUSED')(error) && assert.fail(error),
        ),
      {
        timeoutMs: 30_000,
        what: 'the old policy to be back',
      },
    );
  });
});

const hasReason =
  (expected: string) =>
  (error: unknown): boolean =>
    SallyportError.from(error).reason === expected;
