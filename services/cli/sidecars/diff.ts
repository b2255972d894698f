import { socketPath } from '#compose/topology/paths.ts';
import { podNamed } from '#compose/topology/query.ts';
import { SallyportError } from '#core/errors/error.ts';
import { readServerInfo } from '#envoy/admin/server.ts';
import { renderMesh } from '#envoy/build/render.ts';
import { tuningOf } from '#envoy/model/load.ts';
import { diffPod, effects, type ResourceChange } from '#envoy/write/diff.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { drainingOf } from './observe.ts';
import { chosenPods, type Plan, type PlanOptions, planOf } from './plan.ts';

interface PodChanges {
  readonly pod: string;
  readonly changes: readonly ResourceChange[];
  /** Arguments of Envoy that would be different: `--concurrency 1 → 2`. */
  readonly args: readonly string[];
  readonly restart: boolean;
}

const shownFields = 12;

/** `sallyport mesh diff` */
export async function runDiff(
  pod: string | undefined,
  o: PlanOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report, stateDir } = command;
  const plan = planOf(o, command);
  const { topology, mesh } = plan;
  if (mesh === undefined)
    throw new SallyportError('MESH_NOT_RUNNING', { message: `no mesh is running on ${stateDir}` });
  const names = new Set(chosenPods(topology, pod, undefined));
  const rendered = renderMesh(plan.model, topology, {
    patches: plan.patches,
    draining: drainingOf(mesh),
  }).filter((each) => names.has(each.pod));
  const pods = await Promise.all(
    rendered.map(async (each): Promise<PodChanges> => {
      const changes = diffPod(topology, each);
      const args = await changedArgs(plan, each.pod);
      const restart = args.length > 0 || changes.some(({ type }) => type === 'bootstrap');
      return { pod: each.pod, changes, args, restart };
    }),
  );
  const affected = pods.filter(({ changes, restart }) => changes.length > 0 || restart);
  show(affected, report.say);
  const restarts = affected.filter(({ restart }) => restart).length;
  const draining = affected.filter(({ changes }) => changes.some(({ type }) => type === 'lds')).length;
  const figure = (name: string, value: number, unit: string) => ({ name, value, unit, goal: '', ok: true });
  report.say(affected.length === 0 ? `Nothing would change by ${plan.file}.` : '');
  return {
    ok: true,
    figures: [
      figure('pods affected', affected.length, `of ${pods.length}`),
      figure(
        'resources',
        affected.reduce((sum, { changes }) => sum + changes.length, 0),
        'changes',
      ),
      figure('restarts needed', restarts, 'sidecars'),
      figure('connections drained', draining, 'sidecars'),
    ],
    items: { file: plan.file, items: affected },
  };
}

/** What Envoy was started with and only a new start changes. A sidecar that does not answer is started anew anyway. */
async function changedArgs({ model, topology }: Plan, name: string): Promise<string[]> {
  const { role } = podNamed(topology, name);
  const { sidecar } = tuningOf(model, role);
  const { options } = await readServerInfo(socketPath(topology, name, 'admin'));
  const wanted = {
    concurrency: String(sidecar.concurrency),
    log_level: sidecar.log_level,
    drain_time: `${Math.ceil(Number.parseFloat(sidecar.drain_time))}s`,
  };
  return Object.entries(wanted).flatMap(([name, value]) => {
    const has = options[name];
    return has === undefined || has === value ? [] : [`${name} ${has} → ${value}`];
  });
}

/** What is the same in several pods once. */
function show(pods: readonly PodChanges[], say: (line: string) => void): void {
  const together = new Map<string, { readonly change: ResourceChange; readonly pods: string[] }>();
  for (const { pod, changes } of pods)
    for (const change of changes) {
      const key = JSON.stringify(change.type === 'bootstrap' ? { ...change, name: '' } : change);
      const known = together.get(key);
      if (known === undefined) together.set(key, { change, pods: [pod] });
      else known.pods.push(pod);
    }
  for (const { change, pods: where } of together.values()) {
    const name = change.type === 'bootstrap' ? '' : `/${change.name}`;
    say(`${mark[change.how]} ${change.type}${name}  in ${where.join(', ')}`);
    for (const { path, before, after } of change.fields.slice(0, shownFields))
      say(`    ${path}: ${before ?? '(none)'} → ${after ?? '(none)'}`);
    if (change.fields.length > shownFields) say(`    and ${change.fields.length - shownFields} more places`);
    say(`    ${effects[change.type]}`);
  }
  for (const { pod, args } of pods)
    for (const arg of args) say(`~ ${pod} started with ${arg}\n    ${effects.bootstrap}`);
}

const mark = { added: '+', removed: '-', changed: '~' } as const;
