import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { DeliveryClient } from '#sdk/updates/delivery-client.ts';
import { updateFilesContract } from '#sdk/updates/update-files.contract.ts';
import { attacked, attacks, Catalogue } from '#services/security/catalog/attacks.contract.ts';
import { findChromium } from '../../tools/chromium.ts';
import type { Bench } from '../bench.ts';
import type { Check, Suite } from '../figures.ts';
import { familyMemory } from './family-memory.ts';
import { inBrowser } from './in-browser.ts';
import { type ServedDevice, servedDevice } from './served-device.ts';

/** As proxies send them. */
const pieceBytes = 128 * 1024;
const packageMib = 128;
/**
 * What the browser's processes may keep meanwhile. While one verifies a package that it has in memory, that is all of
 * it; pages that work have some 50 MiB more than pages that wait.
 */
const mostKeptMib = 0.75 * packageMib;
const allMs = 240_000;

/** Updates in a real browser: the same attacks as on Node, the same contract of files. It needs no mesh. */
export const tamperingSuite = (bench: Pick<Bench, 'work' | 'parts'>): Suite => ({
  name: 'browser: updates that somebody tampers with',
  checks: Object.keys(updateFilesContract).length + Object.keys(attacks).length + 1,
  run: async (check) => {
    const chromium = await findChromium(bench.parts);
    const builtin = (name: string): string => join('sdk', 'updates', 'builtins', `${name}.ts`);
    const { outputFiles } = await build({
      entryPoints: [join(import.meta.dirname, 'web-device.ts')],
      ...{ bundle: true, write: false, format: 'esm' },
      // As docs/CLIENTS.md bundles.
      alias: { crypto: `./${builtin('crypto')}`, util: `./${builtin('util')}` },
      inject: [builtin('buffer')],
    });
    const served = await servedDevice(outputFiles[0]?.text ?? '');
    let over = false;
    let browser = 0;
    const checks = (): Promise<void> => checkAll(check, served, () => familyMemory(browser));
    try {
      await inBrowser(bench, {
        chromium,
        url: served.url,
        timeoutMs: allMs,
        started: (pid) => {
          browser = pid;
          void checks().finally(() => {
            over = true;
          });
        },
        outcome: () => over || undefined,
      });
    } finally {
      await served.close();
    }
  },
});

async function checkAll(check: Check, served: ServedDevice, memory: () => { stop(): number }): Promise<void> {
  for (const name of Object.keys(updateFilesContract)) {
    await check(`files in IndexedDB: ${name}`, () => served.device().contract(name));
  }
  for (const name of Object.keys(attacks)) {
    await check(`updates: ${name}`, () => attacked(name, served.device()));
  }
  await check(
    `a package of ${packageMib} MiB, of which at most ${mostKeptMib} MiB are kept in memory`,
    async () => {
      const catalogue = new Catalogue();
      const body = randomBytes(packageMib * 2 ** 20);
      catalogue.add('1.0', randomBytes(10));
      catalogue.add('2.0', body);
      catalogue.publish();
      catalogue.offered = '2.0';
      const { pinned } = catalogue;
      const client: DeliveryClient = {
        ...catalogue.client,
        read: async (_, offset, take) => {
          for (let at = offset; at < body.length; at += pieceBytes) {
            await take(body.subarray(at, at + pieceBytes));
          }
        },
      };
      const device = served.device();
      const { update = assert.fail() } = await device.at('1.0', client, pinned).check();
      const watched = memory();
      const size = await device.size('1.0', client, pinned, update);
      const kept = watched.stop();
      assert.equal(size, body.length);
      assert.ok(kept <= mostKeptMib, `${Math.round(kept)} MiB`);
    },
  );
}
