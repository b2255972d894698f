/**
 * `npm run e2e -- clients [--json] [--only WORD]`: third-party clients, each with the real tool, on one real
 * mesh. Exit code 1 when something is missed. With --json the last line is one object {name, ok, figures},
 * and what people read goes to standard error.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { PartsOptions } from '#compose/parts/options.ts';
import { collectThirdParty } from '../../proto/third-party.ts';
import { portFinder } from '../envoy.ts';
import { ownMesh } from '../mesh.ts';
import type { Bench } from './bench.ts';
import { browserSuite } from './clients/browser.ts';
import { curlSuite } from './clients/curl.ts';
import { envoySuite } from './clients/envoy.ts';
import { grpcurlSuite } from './clients/grpcurl.ts';
import { goSuite, pythonSuite } from './clients/services.ts';
import { type Figure, runSuite, type Suite } from './figures.ts';
import { Page } from './page.ts';

/** The last one stops the tier for a while. */
const clients: readonly ((bench: Bench) => Suite)[] = [
  curlSuite,
  grpcurlSuite,
  browserSuite,
  goSuite,
  pythonSuite,
  envoySuite,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
const say = (line: string): void => {
  (values.json ? process.stderr : process.stdout).write(`${line}\n`);
};
if (positionals.join(' ') !== 'clients') {
  process.stderr.write('usage: npm run e2e -- clients [--json] [--only WORD]\n');
  process.exit(2);
}
const figures = await runClients(values.only);
const ok = figures.length > 0 && figures.every((figure) => figure.ok);
for (const { ok: held, name, value, goal, reason } of figures) {
  say(`${held ? '✓' : '✗'} ${name}: ${value} of ${goal} checks${reason === undefined ? '' : ` (${reason})`}`);
}
if (values.json) process.stdout.write(`${JSON.stringify({ name: 'clients', ok, figures })}\n`);
process.exitCode = ok ? 0 : 1;

async function runClients(only: string): Promise<readonly Figure[]> {
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
