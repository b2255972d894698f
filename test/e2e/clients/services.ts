import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findGo, goTool } from '../../tools/go-tool.ts';
import { pythonPackages } from '../../tools/python-packages.ts';
import { type Bench, blocks, logIn, outputOf, runScript } from '../bench.ts';
import type { Check, Suite } from '../figures.ts';

/** Go may compile all of gRPC first. */
const buildMs = 9 * 60_000;

/** A client generated for Go, beside its sidecar. */
export const goSuite = (bench: Bench): Suite => ({
  name: 'Go: a service beside its sidecar',
  checks: 4,
  run: async (check) => {
    const mine = folderOf(bench, 'go');
    const folders = [dirname(await findGo(bench.parts))];
    for (const tool of ['protoc-gen-go', 'protoc-gen-go-grpc'])
      folders.push(await goTool(bench.page.goTool(tool), bench.parts));
    for (const file of ['buf.gen.yaml', 'main.go']) bench.page.write(file, mine.work);
    // A workspace or vendor mode of whoever runs this is not the page's.
    const env = { PATH: folders.join(':'), GOFLAGS: '-mod=mod', GOWORK: 'off' };
    await asService(mine, 'go-client', env, check);
  },
});

/** A client generated for Python, beside its sidecar. */
export const pythonSuite = (bench: Bench): Suite => ({
  name: 'Python: a service beside its sidecar',
  checks: 4,
  run: async (check) => {
    const mine = folderOf(bench, 'python');
    const packages = await pythonPackages(
      bench.page.pythonPackages(),
      ['grpc', 'grpc_tools.protoc'],
      bench.parts,
    );
    bench.page.write('client.py', mine.work);
    await asService(mine, 'python-client', { PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' }, check);
  },
});

function folderOf(bench: Bench, name: string): Bench {
  const work = join(bench.work, name);
  mkdirSync(work);
  return { ...bench, work };
}

/** Both print the same: the keys, and for each path whether it is allowed, why, and whether an assertion came. */
async function asService(
  bench: Bench,
  block: string,
  env: Readonly<Record<string, string>>,
  check: Check,
): Promise<void> {
  const session = await logIn(bench);
  await outputOf(bench, blocks(bench, 'setup', 'contracts'));
  assert.ok(existsSync(join(bench.work, 'sallyport.binpb')));
  const script = blocks(bench, 'setup', 'service-setup', block);
  const output = await outputOf(bench, script, { ...session, ...env }, buildMs);
  const lines = new Map(
    output
      .trim()
      .split('\n')
      .map((line) => [line.split(' ')[0], line.slice(line.indexOf(' ') + 1).toLowerCase()]),
  );
  await check('GetJwks gives the keys', () => {
    const { keys } = JSON.parse(lines.get('keys') ?? '{}');
    assert.ok(keys?.length > 0);
    assert.equal(keys[0].crv, 'ed25519');
  });
  await check('Authorize allows what staff may do, with an assertion', () => {
    assert.equal(lines.get('/news'), 'true allowed true');
  });
  await check('Authorize denies what they may not, and says why', () => {
    assert.match(lines.get('/payroll') ?? '', /^false [a-z_]+ false$/);
  });
  await check('a token that is not valid is an error', async () => {
    const forged = { ...session, ...env, TOKEN: session.TOKEN.replace(/.{8}$/, 'AAAAAAAA') };
    const again = script.replace('go mod init example.com/client\n', '');
    const { ok, stderr } = await runScript(bench, again, forged, buildMs);
    assert.equal(ok, false);
    assert.match(stderr, /unauthenticated/i);
  });
}
