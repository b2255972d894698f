import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { publicTls } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { activationFor, demoPassword, type OwnMesh } from '#test/mesh.ts';
import { findChromium } from '../../tools/chromium.ts';
import { type Bench, blocks, outputOf } from '../bench.ts';
import type { Suite } from '../figures.ts';
import { startProgram } from '../program.ts';
import { type Outcome, servePages } from './web-server.ts';

const pageMs = 60_000;

/** Pages in a real browser: people by Connect, devices by gRPC-Web and by Connect. */
export const browserSuite = (bench: Bench): Suite => ({
  name: 'browser: pages by Connect and gRPC-Web',
  checks: 4,
  run: async (check) => {
    const chromium = await findChromium(bench.parts);
    for (const file of ['people.ts', 'page.ts']) bench.page.write(file, bench.work);
    await outputOf(bench, blocks(bench, 'setup', 'bundle'));
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
    const open = async (script: string, origin = bench.webOrigin.origin): Promise<Outcome> =>
      inBrowser(chromium, bench, `${origin}/?run=${script}`, () => server.outcomeOf(script, origin));
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

/** Has the browser open the address, until the page has told how it went. */
async function inBrowser(
  chromium: string,
  { mesh, work, parts }: Bench,
  url: string,
  outcome: () => Outcome | undefined,
): Promise<Outcome> {
  const profile = mkdtempSync(join(work, 'profile-'));
  const browser = startProgram(
    chromium,
    [
      '--headless',
      // It opens our own page only, and root, as in a container, cannot have Chromium's sandbox.
      '--no-sandbox',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      // Nothing but this machine.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
      `--user-data-dir=${profile}`,
      // What a company would do by its device management: trust these two edges.
      `--ignore-certificate-errors-spki-list=${edgeKeys(mesh).join(',')}`,
      // Keeps it running; nobody speaks on the pipe.
      '--remote-debugging-pipe',
      url,
    ],
    { env: { ...parts.env, HOME: profile, XDG_CACHE_HOME: profile, XDG_CONFIG_HOME: profile }, pipes: 2 },
  );
  try {
    return await waitFor(
      () => {
        if (browser.ended()) return { error: `the browser ended: ${browser.said()}` };
        return outcome();
      },
      { timeoutMs: pageMs, what: `${url} to be done in ${dirname(chromium)}` },
    );
  } catch (error) {
    throw new Error(`${String(error)}\n${browser.said()}`, { cause: error });
  } finally {
    await browser.end();
    rmSync(profile, { recursive: true, force: true, maxRetries: 8, retryDelay: 100 });
  }
}

/** SHA-256 of the edges' public keys, in base64. */
const edgeKeys = ({ topology }: OwnMesh): string[] =>
  podsOf(topology, 'edge').map(({ name }) => {
    const { publicKey } = new X509Certificate(readFileSync(publicTls(topology, name).cert));
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    return createHash('sha256').update(spki).digest('base64');
  });
