import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import type { Finding } from '#envoy/check/finding.ts';
import { runCli } from '#services/cli/run-cli.ts';
import { testContext } from '#services/cli/test-context.ts';

/** `sallyport mesh …` with the real Envoy. */
describe('mesh operators', function () {
  this.timeout(300_000);
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-op-'));
  });
  after(() => rmSync(dir, { recursive: true, force: true }));

  const run = async (...args: string[]) => {
    const { context, written } = testContext({ cwd: dir, env: process.env });
    const code = await runCli(['mesh', ...args, '--state', join(dir, 'none')], context);
    return { code, ...written };
  };
  const json = async <T>(...args: string[]): Promise<T & { ok: boolean; code: number }> => {
    const { code, out } = await run(...args, '--json');
    return { ...(JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as T & { ok: boolean }), code };
  };
  const patches = (text: string): string => {
    const folder = mkdtempSync(join(dir, 'patches-'));
    writeFileSync(join(folder, 'mine.yaml'), text);
    return folder;
  };
  const findings = async (pod: string, patch: string) => {
    const told = await json<{ items: Finding[] }>('validate', pod, '--patches', patches(patch));
    assert.equal(told.code, told.ok ? 0 : 1);
    return told.items;
  };
  const codes = (found: readonly Finding[]): string[] => found.map(({ code, where }) => `${code} ${where}`);

  describe('render', () => {
    it('writes the same files each time, and into no folder that holds something', async () => {
      assert.equal((await run('render', '--out', 'a')).code, 0);
      assert.equal((await run('render', '--out', 'b')).code, 0);
      const files = (of: string) =>
        readdirSync(join(dir, of), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.json'))
          .sort();
      assert.ok(files('a').includes(join('proxy-0', 'cds', 'cds.json')));
      assert.deepEqual(files('a'), files('b'));
      for (const file of files('a'))
        assert.equal(readFileSync(join(dir, 'a', file), 'utf8'), readFileSync(join(dir, 'b', file), 'utf8'));
      const again = await run('render', '--out', 'a');
      assert.equal(again.code, 1);
      assert.match(again.err, /^error ALREADY_EXISTS: .*\nhint: /);
      mkdirSync(join(dir, 'none'));
      assert.match((await run('render', '--out', 'none')).err, /^error INVALID_FIELD: .*state folder/);
      assert.deepEqual(readdirSync(join(dir, 'none')), []);
    });

    it('shows one pod, with a file that names what differs', async () => {
      writeFileSync(join(dir, 'mesh.yaml'), 'roles: {proxy: {connections: {connect_timeout: 777ms}}}\n');
      const { out } = await run('render', 'proxy-0', '--file', 'mesh.yaml');
      assert.match(out, /"connect_timeout": "0\.777s"/);
      assert.doesNotMatch((await run('render', 'sec-0', '--file', 'mesh.yaml', '--yaml')).out, /0\.777s/);
      assert.match((await run('render', 'sec-9')).err, /^error NOT_FOUND: .*sec-9/);
      assert.equal((await run('render', '--role', 'king')).code, 2);
    });
  });

  describe('validate', () => {
    it('finds the shipped configuration good, by the real Envoy', async () => {
      const told = await json<{ items: Finding[]; figures: { name: string; value: number }[] }>('validate');
      assert.deepEqual(told.items, []);
      assert.equal(told.code, 0);
      assert.equal(told.figures.find(({ name }) => name === 'pods')?.value, 16);
    });

    it('takes every knob of a file, and names the one that was meant', async () => {
      writeFileSync(join(dir, 'bad.yaml'), 'retries: {atempts: 2}\n');
      const { code, err } = await run('validate', '--file', 'bad.yaml');
      assert.equal(code, 1);
      assert.match(err, /^error CONFIG_INVALID: unknown field retries\.atempts \(did you mean attempts\?\)/);
      assert.match(
        (await run('validate', '--file', 'no.yaml')).err,
        /^error NOT_FOUND: there is no .*no\.yaml/,
      );
    });

    it('tells which resource and which file an Envoy refuses', async () => {
      const refused = await findings(
        'edge-0',
        '[{match: {type: ClusterLoadAssignment, name: proxy, role: edge}, merge: {no_such: 1}}]',
      );
      assert.deepEqual(codes(refused), ['RESOURCE_REFUSED eds/proxy']);
      assert.match(refused[0]?.message ?? '', /no such field: 'no_such'/);
      assert.match(refused[0]?.patches?.[0] ?? '', /mine\.yaml$/);
      const bootstrap = await findings(
        'sec-0',
        '[{match: {type: Bootstrap, role: security}, merge: {no_such: 1}}]',
      );
      assert.deepEqual(codes(bootstrap), ['BOOTSTRAP_REFUSED bootstrap']);
      const inline = await findings(
        'proxy-0',
        '[{match: {type: RouteConfiguration, name: mesh, role: proxy}, merge: {no_such: 1}}]',
      );
      assert.deepEqual(codes(inline), ['RESOURCE_REFUSED lds']);
    });

    it('finds routes to nowhere, foreign peers and keys that are none, and what follows from them', async () => {
      const nowhere = await findings(
        'edge-0',
        '[{match: {type: RouteConfiguration, name: public}, at: [virtual_hosts, 0, routes, 0], merge: {route: {cluster: nowhere}}}]',
      );
      assert.deepEqual(codes(nowhere), ['UNKNOWN_CLUSTER rds/public', 'RESOURCE_REFUSED rds/public']);
      const key = await findings(
        'edge-0',
        '[{match: {type: Secret, name: mesh-cert, role: edge}, merge: {tls_certificate: {private_key: {filename: null, inline_string: none}}}}]',
      );
      assert.deepEqual(
        codes(key).filter((code) => code.includes('sds')),
        ['RESOURCE_REFUSED sds/mesh-cert'],
      );
    });
  });
});
