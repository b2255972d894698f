import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { podNamed, podsBeside } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import type { Session } from '#sdk/session.ts';
import { applyPolicy, type Board, boardOrigin, startBoard } from '../gateway-world.ts';
import { meshStartMs, type OwnMesh, ownMesh } from '../mesh.ts';
import { enrolDevice, type TestDevice } from '../mesh-device.ts';
import { branchOrigin, openBranch, siteNames, sitesWith } from '../site-world.ts';

const { master, slave } = siteNames;
const hasReason = (reason: string) => (error: unknown) => SallyportError.from(error).reason === reason;

describe('two sites', function () {
  this.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), 'sp-sites-'));
  let board: Board;
  let own: OwnMesh;
  let phone: TestDevice;
  let here: Session;
  let there: Session;

  before(async function () {
    this.timeout(meshStartMs);
    board = await startBoard();
    const target = { name: 'board', kind: 'http', url: `http://127.0.0.1:${board.port}` };
    const near = { name: 'near', forest: 'corp.example', site: slave, pods: 1, targets: [target] };
    const gatewaysFile = join(folder, 'gateways.yaml');
    writeFileSync(gatewaysFile, JSON.stringify({ groups: [near] }));
    own = await ownMesh({
      gatewaysFile,
      sites: sitesWith({ edges: 1, proxies: 1, replica: false }),
      sizes: { security: 1, proxies: 1, edges: 1, db: 1 },
    });
    await openBranch(own);
    phone = await enrolDevice(own);
    const { user, ...credentials } = phone.credentials;
    here = await phone.device.open({ ...credentials, user: `${user}@${master}` });
    there = await phone.device.open({ ...credentials, user: `${user}@${slave}` });
    // Until its proxy has the policy.
    await waitFor(() => there.fetch(`${branchOrigin}/news`).catch(() => undefined), {
      timeoutMs: 30_000,
      what: 'the branch to be open',
    });
  });
  after(async () => {
    phone?.device.close();
    await own?.close();
    await board?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const urls = (site: { site?: string }): string[] =>
    podsBeside(own.topology, 'edge', site).map(({ address, ports }) => `https://${address}:${ports.public}`);

  it('each have proxies of their own, which a profile chooses; without a site it is the master', async () => {
    assert.equal((await there.fetch(`${branchOrigin}/news`)).proxy, `proxy-${slave}-0`);
    assert.equal((await here.fetch('/news')).proxy, 'proxy-0');
    const usual = await phone.device.open(phone.credentials);
    assert.equal((await usual.fetch('/news')).proxy, 'proxy-0');
    await usual.close();
  });

  it('a phone is told both sites with its activation, and a session only the chosen one', () => {
    assert.deepEqual(
      [...phone.device.enrolment.edges].sort(),
      [...urls({}), ...urls({ site: slave })].sort(),
    );
    const told = (session: Session) => JSON.parse(phone.device.save(session)).proxyUrls;
    assert.deepEqual(told(here), urls({}));
    assert.deepEqual(told(there), urls({ site: slave }));
  });

  it('what is reached from the other site is refused, with its name and edges', async () => {
    const elsewhere = (site: string, edges: readonly string[]) => (thrown: unknown) => {
      const { reason, hint } = SallyportError.from(thrown);
      assert.equal(reason, 'SITE_ELSEWHERE');
      assert.ok(hint.endsWith(`user@${site}; its edges: ${edges.join(' ')}`), hint);
      return true;
    };
    await assert.rejects(here.fetch(`${branchOrigin}/news`), elsewhere(slave, urls({ site: slave })));
    await assert.rejects(there.fetch('/news'), elsewhere(master, urls({})));
    // Who may not have it is not told where it is.
    await assert.rejects(there.fetch('/payroll'), hasReason('POLICY_DENIED'));
  });

  it('each reach what their own gateways reach', async () => {
    const open = (site?: string) =>
      applyPolicy(own, ({ resources }) => {
        resources.push({
          ...{ name: 'board', backend: 'board', gatewayGroup: 'near', hosts: ['board.example'] },
          ...(site !== undefined && { site }),
          rules: [{ name: 'staff reads the board', groups: ['staff'] }],
        });
      });
    await open();
    const through = async () => (await there.fetch(`${boardOrigin}/`)).headers.get('x-gateway');
    const gateway = await waitFor(() => through().catch(() => undefined), {
      timeoutMs: 30_000,
      what: 'the board to be open',
    });
    assert.equal(gateway, 'gw-near-0');
    assert.equal(podNamed(own.topology, 'gw-near-0').site, slave);
    await waitFor(() => here.fetch(`${boardOrigin}/`).catch(hasReason('SITE_ELSEWHERE')), {
      timeoutMs: 30_000,
      what: 'the other site to refuse it',
    });
    await assert.rejects(open(master), hasReason('POLICY_INVALID'));
  });

  it('that are not there are refused, in a profile and in a policy', async () => {
    const { user, ...credentials } = phone.credentials;
    const open = phone.device.open({ ...credentials, user: `${user}@basel` });
    await assert.rejects(open, hasReason('SITE_UNKNOWN'));
    await assert.rejects(openBranch(own, { site: 'basel' }), hasReason('POLICY_INVALID'));
    const nowhere = { name: 'nowhere', effect: 'deny', sites: ['basel'] };
    await assert.rejects(openBranch(own, {}, [nowhere]), hasReason('POLICY_INVALID'));
  });

  it('count in rules: the same session by another site is another question', async () => {
    const closed = (fetching: Promise<unknown>) =>
      fetching.then(
        () => false,
        (error) =>
          hasReason('POLICY_DENIED')(error) && /"not (t)?here"/.test(SallyportError.from(error).message),
      );
    await openBranch(own, {}, [{ name: 'not there', effect: 'deny', sites: [slave] }]);
    await waitFor(() => closed(there.fetch(`${branchOrigin}/news`)), {
      timeoutMs: 30_000,
      what: 'its proxy to have the policy',
    });
    // Asked at the master it is allowed, but for where it is reached from.
    await assert.rejects(here.fetch(`${branchOrigin}/news`), hasReason('SITE_ELSEWHERE'));
    await openBranch(own, {}, [{ name: 'not here', effect: 'deny', sites: [master] }]);
    await waitFor(() => closed(here.fetch(`${branchOrigin}/news`)), {
      timeoutMs: 30_000,
      what: 'the other proxy to have the policy',
    });
    await waitFor(() => there.fetch(`${branchOrigin}/news`).catch(() => undefined), {
      timeoutMs: 30_000,
      what: 'the branch to be open again',
    });
  });
});
