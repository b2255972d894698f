import { relative, sep } from 'node:path';
import { livingProcesses } from '#compose/runner/orphans.ts';
import { type CommandContext, defaultState } from '../command.ts';
import { runningMesh } from './mesh-of-state.ts';

/**
 * Where the mesh is, and what is worth typing next, in another terminal. `owner` is the pod that holds the
 * demo's session, if there was a demo.
 */
export function tellWhatToTry(command: CommandContext, owner: string | undefined): void {
  const { stateDir, cwd, report, env } = command;
  const mesh = runningMesh(stateDir);
  const here = relative(cwd, stateDir);
  const folder = here.startsWith(`..${sep}`) ? stateDir : here;
  const usual = here === defaultState || stateDir === env.SALLYPORT_STATE;
  const state = usual ? '' : ` --state ${folder}`;
  const victim = livingProcesses(mesh.state).find(({ name }) => name === `${owner} process`);
  const lines = [
    '',
    `Edges      ${mesh.edgeUrls.join('  ')}`,
    `Their CA   ${mesh.publicCa}`,
    `Log in as  ${mesh.demo.user}, with the password in ${mesh.demo.passwordFile}`,
    '',
    'Worth trying next, in another terminal:',
    `  npx sallyport status${state}`,
    `  npx sallyport device ${owner === undefined ? `enroll${state}` : `get${state} /news`}`,
    ...(victim === undefined
      ? []
      : [`  kill -9 ${victim.identity.pid}    (${owner}, which holds the session), and get the page again`]),
  ];
  for (const line of lines) report.say(line);
}
