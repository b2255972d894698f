import { findEnvoy } from '#compose/parts/envoy.ts';
import type { PodRole } from '#compose/topology/types.ts';
import { checkCertificates } from '#envoy/check/certificates.ts';
import { validateMesh } from '#envoy/check/validate-mesh.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { findingFigures, showFindings } from './findings-text.ts';
import { chosenPods, type PlanOptions, planOf } from './plan.ts';

export interface ValidateCommandOptions extends PlanOptions {
  readonly role?: PodRole;
  readonly strict?: boolean;
}

/** `sallyport mesh validate` */
export async function runValidate(
  pod: string | undefined,
  o: ValidateCommandOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { env, report, clock, signal } = command;
  const plan = planOf(o, command);
  const pods = chosenPods(plan.topology, pod, o.role);
  const { bin, version } = await findEnvoy({ env, progress: report.progress, signal });
  report.progress(
    `${plan.file}, for ${plan.mesh === undefined ? 'the example topology' : 'the running mesh'}, by Envoy ${version}`,
  );
  const findings = await validateMesh(plan.model, plan.topology, {
    bin,
    patches: plan.patches,
    pods,
    clock,
    signal,
    onTried: (name, done, of) => report.progress(`${name} has been through Envoy (${done} of ${of})`),
  });
  if (plan.mesh !== undefined) {
    const own = plan.topology.pods.filter(({ name }) => pods.includes(name));
    findings.push(...checkCertificates(plan.topology, own, clock.now()));
  }
  showFindings(report, findings);
  const figures = [
    { name: 'pods', value: pods.length, unit: 'configurations', goal: '', ok: true },
    ...findingFigures(findings, o.strict === true),
  ];
  return {
    ok: figures.every(({ ok }) => ok),
    figures,
    items: {
      file: plan.file,
      topology: plan.mesh === undefined ? 'example' : 'running',
      envoy: version,
      items: findings,
    },
  };
}
