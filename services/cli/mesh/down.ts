import { livingProcesses } from '#compose/runner/orphans.ts';
import { readRunState } from '#compose/runner/run-file.ts';
import { stopMesh } from '#compose/runner/stop-mesh.ts';
import type { CommandContext, CommonOptions } from '../command.ts';
import type { Outcome } from '../report.ts';
import { wipe } from './wipe.ts';

export interface DownOptions extends CommonOptions {
  readonly wipe?: boolean;
}

/** `sallyport down` */
export async function runDown(options: DownOptions, { report, stateDir }: CommandContext): Promise<Outcome> {
  const before = readRunState(stateDir);
  const running = before === undefined ? [] : livingProcesses(before);
  const stopped = await stopMesh(stateDir, report.progress);
  const left =
    running.length === 0 || before === undefined ? [] : livingProcesses({ ...before, processes: running });
  if (options.wipe) await wipe(stateDir, report.progress);
  report.say(stopped ? 'The mesh is down.' : `No mesh was running on ${stateDir}.`);
  return {
    ok: left.length === 0,
    figures: [
      {
        name: 'processes left behind',
        value: left.length,
        unit: 'processes',
        goal: '0',
        ok: left.length === 0,
      },
    ],
    items: { stopped, wiped: options.wipe === true, state: stateDir, left: left.map(({ name }) => name) },
  };
}
