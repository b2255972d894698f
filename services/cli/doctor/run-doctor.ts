import type { CommandContext } from '../command.ts';
import { meshIfRunning } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import { machineFindings, meshFindings } from './checks.ts';

/** `sallyport doctor` */
export async function runDoctor({ stateDir, report, clock }: CommandContext): Promise<Outcome> {
  const mesh = meshIfRunning(stateDir);
  const findings = [
    ...machineFindings(stateDir),
    ...(mesh === undefined ? [] : await meshFindings(mesh, clock)),
  ];
  if (mesh === undefined) report.say(`No mesh is running on ${stateDir}: only the machine was looked at.`);
  for (const { name, says, hint } of findings) {
    if (says !== '') report.say(`  ${name}: ${says}`);
    if (hint !== '') report.say(`  hint: ${hint}`);
  }
  return {
    ok: findings.every(({ ok }) => ok),
    figures: findings.map(({ name, value, unit, goal, ok }) => ({ name, value, unit, goal, ok })),
    items: { running: mesh !== undefined, items: findings },
  };
}
