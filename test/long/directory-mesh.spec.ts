import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Attribute, Change } from 'ldapts';
import { after, before, describe, it } from 'mocha';
import { Agent, fetch } from 'undici';
import { demoOrigin } from '#compose/demo/app.ts';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { cliJson } from '../cli-runner.ts';
import { companyLdif, groups, passwordOf, people, userDn } from '../directory/company.ts';
import { type SlapdServer, startSlapd } from '../directory/slapd.ts';
import { meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice } from '../mesh-device.ts';

/** Users of a real OpenLDAP, and users pushed by SCIM, at a mesh with all its sidecars. */
describe('directories at a whole mesh', function () {
  this.timeout(170_000);
  let own: OwnMesh;
  let slapd: SlapdServer;
  let folder: string;
  let agent: Agent;

  before(async function () {
    this.timeout(meshStartMs);
    folder = mkdtempSync(join(tmpdir(), 'sp-directory-'));
    slapd = await startSlapd({ ldif: companyLdif({ users: 100, groups: 10, membersPerGroup: 10 }) });
    const meshFile = join(folder, 'mesh.yaml');
    writeFileSync(meshFile, 'edge: { scim: true }\n');
    own = await ownMesh({ meshFile });
    agent = new Agent({ connect: { ca: readFileSync(own.publicCa) } });
  });
  after(async () => {
    await agent?.close();
    await own?.close();
    await slapd?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const json = <T>(...args: string[]): Promise<T> => cliJson<T>(own.stateDir, ...args);
  interface Synced {
    readonly items: readonly { readonly pod: string; readonly adds: number; readonly disables: number }[];
  }

  it('are read where they may be read, and nowhere else', async () => {
    const [ca, password] = [join(folder, 'ca.pem'), join(folder, 'password')];
    writeFileSync(ca, slapd.caPem);
    writeFileSync(password, slapd.admin.password, { mode: 0o600 });
    await json(
      ...['sources', 'add', 'hq', '--url', slapd.ldaps, '--ca', ca, '--bind-dn', slapd.admin.dn],
      ...['--password-file', password, '--users', people, '--groups', groups, '--every', '0'],
      ...['--disabled', 'employeeType=gone', '--hosts', 'sec-1'],
    );
    const first = (await json<Synced>('users', 'sync', 'hq')).items[0];
    assert.deepEqual([first?.pod, first?.adds], ['sec-1', 100]);
    await json('sources', 'set', 'hq', '--hosts', 'sec-2');
    const second = (await json<Synced>('users', 'sync', 'hq')).items[0];
    assert.deepEqual([second?.pod, second?.adds], ['sec-2', 0]);
    await json('sources', 'set', 'hq', '--hosts', '');
  });

  it('let users in from their phones, and out when they are disabled there', async () => {
    const { activation } = await json<{ activation: string }>('activation', 'create', '--user', 'user7');
    const { device } = await enrolDevice(own, { activation });
    try {
      const session = await device.open({ user: 'user7', password: passwordOf(7), origin: demoOrigin });
      const asked = (): Promise<string | undefined> =>
        session.fetch('/news').then(
          () => undefined,
          (error: unknown) => SallyportError.from(error).reason,
        );
      // Of no group that the demo's policy lets in: his session is good, and that is all.
      assert.equal(await asked(), 'POLICY_DENIED');
      const client = await slapd.client();
      const modification = new Attribute({ type: 'employeeType', values: ['gone'] });
      await client.modify(userDn(7), new Change({ operation: 'replace', modification }));
      await client.unbind();
      assert.equal((await json<Synced>('users', 'sync', 'hq')).items[0]?.disables, 1);
      await waitFor(async () => (await asked()) === 'SESSION_REVOKED', {
        timeoutMs: 30_000,
        what: 'the session to be over',
      });
    } finally {
      device.close();
    }
  });

  it('take users that are pushed by SCIM through an edge', async () => {
    await json('sources', 'add', 'idp', '--scim');
    const { items } = await json<{ items: { token: string; id: string }[] }>('scim-tokens', 'create', 'idp');
    const { token = '', id = '' } = items[0] ?? {};
    const ask = async (method: string, path: string, body?: object, edge = 0, bearer = token) => {
      const answer = await fetch(`${own.edgeUrls[edge]}${path}`, {
        method,
        dispatcher: agent,
        headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/scim+json' },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      return {
        status: answer.status,
        body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
      };
    };
    const schemas = ['urn:ietf:params:scim:schemas:core:2.0:User'];
    const made = await ask('POST', '/scim/v2/Users', { schemas, userName: 'pushed', displayName: 'Pushed' });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const path = `/scim/v2/Users/${made.body.id}`;
    assert.equal((await ask('GET', path, undefined, 1)).body.userName, 'pushed');
    const off = { Operations: [{ op: 'replace', path: 'active', value: false }] };
    assert.equal((await ask('PATCH', path, off, 1)).body.active, false);
    const shown = await json<{ user: { source: string; disabled: boolean } }>('users', 'show', 'pushed');
    assert.deepEqual([shown.user.source, shown.user.disabled], ['idp', true]);
    assert.equal((await ask('DELETE', path)).status, 204);
    assert.equal((await ask('GET', '/scim/v2/ServiceProviderConfig')).status, 200);
    assert.equal((await ask('GET', path, undefined, 0, 'nobody')).status, 401);
    assert.equal((await ask('GET', '/scim/v22/Users')).status, 404);
    await json('scim-tokens', 'revoke', id);
    assert.equal((await ask('GET', '/scim/v2/Users')).status, 401);
  });

  it('are two, for staff and for partners, as docs/examples/service-provider sets them up', async () => {
    const example = new URL('../../docs/examples/service-provider/', import.meta.url).pathname;
    const servers: Record<string, SlapdServer> = {};
    const given: Record<string, string> = {};
    try {
      for (const which of ['staff', 'extranet']) {
        const server = await startSlapd({ ldif: readFileSync(join(example, `${which}.ldif`), 'utf8') });
        servers[which] = server;
        const [ca, passwordFile] = [join(folder, `${which}.pem`), join(folder, `${which}.password`)];
        writeFileSync(ca, server.caPem);
        writeFileSync(passwordFile, server.admin.password, { mode: 0o600 });
        const name = which.toUpperCase();
        given[`${name}_URL`] = server.ldaps;
        given[`${name}_CA`] = ca;
        given[`${name}_BIND_DN`] = server.admin.dn;
        given[`${name}_PASSWORD_FILE`] = passwordFile;
      }
      await promisify(execFile)(join(example, 'set-up.sh'), {
        env: {
          ...process.env,
          ...given,
          SALLYPORT_STATE: own.stateDir,
          SALLYPORT: new URL('../../services/cli/sallyport', import.meta.url).pathname,
        },
      });
      const { activation } = await json<{ activation: string }>('activation', 'create', '--user', 'olga');
      const { device } = await enrolDevice(own, { activation });
      try {
        const olga = await device.open({ user: 'olga', password: 'olga at home', origin: demoOrigin });
        const opened = await waitFor(() => olga.fetch('/news').catch(() => undefined), {
          timeoutMs: 30_000,
          what: 'the policy to be in force',
        });
        assert.equal(opened.status, 200);
        // A group of that name in her own directory is nobody's here.
        await assert.rejects(olga.fetch('/whoami'), { reason: 'POLICY_DENIED' });
      } finally {
        device.close();
      }
      const work = await json<{ activation: string }>('activation', 'create', '--user', 'ada');
      const phone = await enrolDevice(own, { activation: work.activation });
      try {
        const stranger = { user: 'ada', password: 'not the same ada', origin: demoOrigin };
        await assert.rejects(phone.device.open(stranger), { reason: 'CREDENTIALS_INVALID' });
        const ada = await phone.device.open({ ...stranger, password: 'ada at work' });
        assert.equal((await ada.fetch('/whoami')).status, 200);
      } finally {
        phone.device.close();
      }
    } finally {
      await Promise.all(Object.values(servers).map((server) => server.close()));
    }
  });
});
