import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownMesh } from '#test/mesh.ts';
import type { DrillDefinition } from '../drill.ts';
import { figureOf, runCommand } from '../run-command.ts';
import { compareLogins } from './compare-logins.ts';

/** Seconds between snapshots by default, over which what one costs is spread. */
const everySeconds = 300;

export const drill: DrillDefinition = {
  about: 'backups do not slow logins, restore, and lose little',
  failures: [{ name: 'backups while people log in', goals: {}, victims: () => [] }],
  alone: async ({ signal, progress, figure, note }) => {
    progress('starting a mesh');
    const dir = mkdtempSync(join(tmpdir(), 'sp-drill-backup-'));
    const mesh = await ownMesh();
    try {
      const of = ['--state', mesh.stateDir];
      const run = (...args: string[]) => runCommand(['backup', ...args], { cwd: dir, signal });
      const seen = await compareLogins(mesh, {
        off: async () => void (await run('schedule', ...of, '--off')),
        on: async () => {
          await run('schedule', ...of, '--to', 'kept', '--key-file', join(dir, 'key'), '--every', '0');
          // The first one goes with starting the process.
          await run('now', ...of);
        },
        snapshot: async () => figureOf(await run('now', ...of), 'all of it'),
        progress,
        signal,
      });
      note(`logins: ${seen.text}`);
      figure({ name: 'logins slower while only the log is brought', value: seen.logPercent, unit: '%' });
      figure({
        name: 'logins slower while a snapshot is made and proven',
        value: seen.busyPercent,
        unit: '%',
      });
      const share = seen.snapshotSeconds / everySeconds;
      const whole = seen.logPercent * (1 - share) + seen.busyPercent * share;
      figure({
        name: `logins slower, with a snapshot every ${everySeconds} s`,
        value: Math.round(whole * 10) / 10,
        unit: '%',
        atMost: 3,
      });
      // What there is counts, also where a goal is missed: it stands in the figure.
      const list = await run('list', ...of);
      figure({ name: 'proven RPO', value: figureOf(list, 'proven RPO'), unit: 's', atMost: 10 });
      figure({ name: 'measured RTO', value: figureOf(list, 'measured RTO'), unit: 's', atMost: 90 });
      const verified = await run('verify', ...of);
      figure({
        name: 'rows compared after a restore',
        value: figureOf(verified, 'rows compared'),
        unit: '',
        atLeast: 1,
      });
    } finally {
      await mesh.close();
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
