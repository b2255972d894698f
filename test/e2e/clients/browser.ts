import assert from 'node:assert/strict';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { publicTls } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import { activationFor, demoPassword, type OwnMesh } from '#test/mesh.ts';
import { findChromium } from '../../tools/chromium.ts';
import { type Bench, blocks, outputOf } from '../bench.ts';
import type { Suite } from '../figures.ts';
import { inBrowser } from './in-browser.ts';
import { type Outcome, servePages } from './web-server.ts';

/** Pages in a real browser: people by Connect, devices by gRPC-Web and by Connect. */
export const browserSuite = (bench: Bench): Suite => ({
  name: 'browser: pages by Connect and gRPC-Web',
  checks: 5,
  run: async (check) => {
    const chromium = await findChromium(bench.parts);
    for (const file of ['people.ts', 'page.ts', 'updates.ts']) bench.page.write(file, bench.work);
    await outputOf(bench, blocks(bench, 'setup', 'bundle', 'bundle-updates'));
    await build({
      entryPoints: [join(import.meta.dirname, 'web-connect.ts')],
      outfile: join(bench.work, 'web', 'connect.js'),
      bundle: true,
      format: 'esm',
    });
    const { mesh } = bench;
    const server = await servePages(bench.webOrigin, join(bench.work, 'web'), async () => ({
      edge: mesh.edgeUrls[0] ?? '',
      activation: await activationFor(mesh),
      user: mesh.demo.user,
      password: demoPassword(mesh),
    }));
    const open = (script: string, origin = bench.webOrigin.origin, more = ''): Promise<Outcome> =>
      inBrowser(bench, {
        chromium,
        url: `${origin}/?run=${script}${more}`,
        trusted: edgeKeys(mesh),
        outcome: () => server.outcomeOf(script, origin),
      });
    try {
      await check('people: Login and GetSession by Connect', async () => {
        assert.deepEqual(await open('people'), { text: `logged in as ${mesh.demo.user}` });
      });
      await check('the SDK by gRPC-Web: enrol, open, read a page over Exchange', async () => {
        assert.deepEqual(await open('page'), { text: 'News\n\nThe gate has not closed today.' });
      });
      await check('the SDK by Connect: the same', async () => {
        assert.deepEqual(await open('connect'), { text: 'News\n\nThe gate has not closed today.' });
      });
      await check(
        'an update: checked, cut when half has come, gone on with, verified, reported',
        async () => {
          const [version, half] = ['2.0.0', 4 * 2 ** 20];
          writeFileSync(join(bench.work, version), randomBytes(2 * half));
          const apps = (rest: string): Promise<string> =>
            outputOf(bench, `node services/cli/main.ts apps ${rest} --state "$STATE" --json`);
          const of = '--app com.example.field --platform web';
          await apps(`upload "$WORK/${version}" --version ${version} ${of}`);
          await apps(`rollout ${version} ${of}`);
          const { text, bytes, error } = await open('updates', bench.webOrigin.origin, `&cut=${half}`);
          assert.deepEqual([text, error], [`${version} in ${2 * half} bytes`, undefined]);
          // What came before is not fetched again, but for less than the piece that was not whole.
          assert.ok(bytes !== undefined && bytes > half - 2 ** 20 && bytes < half + 2 * 2 ** 20, `${bytes}`);
          assert.match(await apps(`list --app com.example.field`), /"reports":1\b/);
        },
      );
      await check('a page of another origin may not call', async () => {
        const { port } = bench.webOrigin;
        const { error } = await open('people', `http://localhost:${port}`);
        assert.match(error ?? '', /Failed to fetch/);
      });
    } finally {
      await server.close();
    }
  },
});

/** SHA-256 of the edges' public keys, in base64. */
const edgeKeys = ({ topology }: OwnMesh): string[] =>
  podsOf(topology, 'edge').map(({ name }) => {
    const { publicKey } = new X509Certificate(readFileSync(publicTls(topology, name).cert));
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(spki).digest('base64');
  });
