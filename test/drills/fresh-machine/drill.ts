import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { demoOrigin } from '#compose/demo/app.ts';
import { demoPassword, ownMesh, startTestPhone } from '#test/mesh.ts';
import type { DrillDefinition } from '../drill.ts';
import { figureOf, runCommand } from '../run-command.ts';
import { fill } from './fill.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..', '..');
const count = 100_000;

export const drill: DrillDefinition = {
  about:
    'a new machine becomes the service: install, restore, first page to a phone that was enrolled before',
  failures: [{ name: `a fresh machine with ${count} users and devices`, goals: {}, victims: () => [] }],
  alone: async ({ signal, progress, figure, note }) => {
    // The old machine and the new one have the same place: its phones know its ports.
    const dir = mkdtempSync(join(tmpdir(), 'sp-drill-fresh-'));
    const [stateDir, tree, kept, key] = ['state', 'tree', 'kept', 'key'].map((name) => join(dir, name)) as [
      string,
      string,
      string,
      string,
    ];
    const cli = [
      join(tree, 'node_modules', '.bin', 'node'),
      join(tree, 'services', 'cli', 'main.ts'),
    ] as const;
    const there = (...args: string[]) =>
      run(cli[0], [cli[1], ...args, '--state', stateDir], { cwd: tree, maxBuffer: 2 ** 24, signal });
    let started = false;
    const mesh = await startOld(stateDir, progress);
    try {
      const phone = await startTestPhone(mesh);
      const password = demoPassword(mesh);
      progress(`filling the database with ${count} users and devices`);
      await fill(mesh, count, signal);
      const of = ['--state', stateDir];
      await runCommand(['backup', 'schedule', ...of, '--to', kept, '--key-file', key, '--every', '0'], {
        cwd: dir,
        signal,
      });
      const made = await runCommand(['backup', 'now', ...of], { cwd: dir, signal });
      note(`snapshot in ${figureOf(made, 'taken in')} s, proven in ${figureOf(made, 'measured RTO')} s`);
      progress('the old machine is lost');
      await mesh.close();
      rmSync(stateDir, { recursive: true });
      await copyTree(tree);
      const began = performance.now();
      const since = (): number => Math.round((performance.now() - began) / 100) / 10;
      progress('npm ci');
      await run('npm', ['ci'], { cwd: tree, maxBuffer: 2 ** 24, signal });
      const installed = since();
      progress('restoring');
      const { stdout } = await there(
        'backup',
        'restore',
        '--from',
        kept,
        '--key-file',
        key,
        '--yes',
        '--json',
      );
      const restored = since();
      const rows = figureOf(JSON.parse(stdout.trim().split('\n').at(-1) ?? '{}'), 'restored');
      progress('starting');
      started = true;
      await there('up');
      const session = await phone.device.open({ user: mesh.demo.user, password, origin: demoOrigin });
      const page = await session.fetch('/news');
      await page.bytes();
      const served = since();
      if (page.status !== 200) throw new Error(`the first page ended with ${page.status}`);
      await session.close();
      phone.device.close();
      note(
        `npm ci ${installed} s, restore ${(restored - installed).toFixed(1)} s, up and first page ${(served - restored).toFixed(1)} s`,
      );
      figure({ name: 'rows restored', value: rows, unit: '', atLeast: 3 * count });
      figure({ name: 'npm ci to the first page', value: served, unit: 's', atMost: 90 });
    } finally {
      await mesh.close();
      if (started) await there('down').catch((error: unknown) => note(`not stopped: ${String(error)}`));
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

/** The old machine's mesh. */
function startOld(stateDir: string, progress: (line: string) => void) {
  progress('starting a mesh');
  return ownMesh({ stateDir });
}

/** What git has of this tree, as a checkout would be. */
async function copyTree(to: string): Promise<void> {
  const { stdout } = await run('git', ['ls-files', '-z'], { cwd: root, maxBuffer: 2 ** 24 });
  for (const name of stdout.split('\0').filter((each) => each !== '')) {
    mkdirSync(dirname(join(to, name)), { recursive: true });
    cpSync(join(root, name), join(to, name), { dereference: false });
  }
}
