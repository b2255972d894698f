import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PartsOptions } from '#compose/parts/options.ts';
import { collectThirdParty } from '../../../proto/third-party.ts';
import { ownMesh } from '../../mesh.ts';
import { portFinder } from '../../ports.ts';
import type { Bench } from '../bench.ts';
import { type Figure, type RunOptions, runSuite, type Suite } from '../figures.ts';
import { Page } from '../page.ts';
import { browserSuite } from './browser.ts';
import { curlSuite } from './curl.ts';
import { envoySuite } from './envoy.ts';
import { grpcurlSuite } from './grpcurl.ts';
import { goSuite, pythonSuite } from './services.ts';
import { tamperingSuite } from './tampering.ts';

/** The last one stops the tier for a while. */
const clients: readonly ((bench: Bench) => Suite)[] = [
  curlSuite,
  grpcurlSuite,
  browserSuite,
  tamperingSuite,
  goSuite,
  pythonSuite,
  envoySuite,
];

/** Third-party clients, each with the real tool, on one real mesh. */
export async function runClients({ only, say }: RunOptions): Promise<readonly Figure[]> {
  const work = mkdtempSync(join(tmpdir(), 'sp-e2e-'));
  process.once('exit', () => rmSync(work, { recursive: true, force: true, maxRetries: 4 }));
  // The mesh takes itself along on SIGTERM.
  process.once('SIGINT', () => process.kill(process.pid, 'SIGTERM'));
  const webOrigin = new URL(`http://127.0.0.1:${await portFinder()()}`);
  const meshFile = join(work, 'mesh.yaml');
  writeFileSync(meshFile, `edge: { cors_origins: ['${webOrigin.origin}'] }\n`);
  // What `npm run gen` collects; docs/CLIENTS.md has it done first.
  if (!existsSync(join('.gen-deps', 'buf'))) collectThirdParty('.gen-deps');
  const parts: PartsOptions = { env: process.env, progress: say };
  const page = new Page(join('docs', 'CLIENTS.md'));
  const mesh = await ownMesh({ sizes: { services: 1 }, meshFile, progress: say });
  try {
    const figures: Figure[] = [];
    for (const suite of clients.map((each) => each({ mesh, page, work, parts, webOrigin }))) {
      if (!suite.name.toLowerCase().includes(only.toLowerCase())) continue;
      say(suite.name);
      figures.push(await runSuite(suite, say));
    }
    return figures;
  } finally {
    await mesh.close();
  }
}
