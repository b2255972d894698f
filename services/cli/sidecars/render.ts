import { existsSync, mkdirSync, readdirSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { stringify } from 'yaml';
import type { PodRole } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { type RenderedPod, renderMesh } from '#envoy/build/render.ts';
import { configFiles } from '#envoy/write/files.ts';
import type { CommandContext } from '../command.ts';
import type { Outcome } from '../report.ts';
import { chosenPods, type Plan, type PlanOptions, planOf } from './plan.ts';

export interface RenderCommandOptions extends PlanOptions {
  readonly role?: PodRole;
  readonly out?: string;
  readonly yaml?: boolean;
}

/** `sallyport mesh render` */
export async function runRender(
  pod: string | undefined,
  o: RenderCommandOptions,
  command: CommandContext,
): Promise<Outcome> {
  const { report } = command;
  const plan = planOf(o, command);
  const names = new Set(chosenPods(plan.topology, pod, o.role));
  // All of them, so that a patch that fits nowhere is found whichever pod is asked for.
  const rendered = renderMesh(plan.model, plan.topology, { patches: plan.patches }).filter((each) =>
    names.has(each.pod),
  );
  const about = { file: plan.file, topology: plan.mesh === undefined ? 'example' : 'running' };
  if (o.out !== undefined) {
    const dir = resolve(command.cwd, o.out);
    const files = writeTo(dir, plan, rendered, command.stateDir);
    report.say(`${files.length} files for ${rendered.length} pods in ${dir}`);
    return { ok: true, items: { ...about, out: dir, files } };
  }
  const pods = Object.fromEntries(rendered.map((each) => [each.pod, asDocument(each)]));
  const [only] = rendered;
  const shown = pod !== undefined && only !== undefined ? asDocument(only) : pods;
  if (!report.json) report.say(o.yaml ? stringify(shown).trimEnd() : JSON.stringify(shown, null, 2));
  return { ok: true, items: { ...about, pods } };
}

/** Certificates by the names of their files: nothing secret is in it. */
const asDocument = ({ bootstrap, xds }: RenderedPod) => ({
  bootstrap,
  ...Object.fromEntries(Object.entries(xds).map(([type, list]) => [type, list.map(({ body }) => body)])),
});

/** One folder for each pod, laid out as its Envoy reads it. @throws ALREADY_EXISTS, INVALID_FIELD */
function writeTo(
  dir: string,
  plan: Plan,
  rendered: readonly RenderedPod[],
  stateDir: string,
): readonly string[] {
  const state = existsSync(stateDir) ? realpathSync(stateDir) : stateDir;
  const way = relative(state, dir);
  if (way === '' || (way !== '..' && !way.startsWith(`..${sep}`)))
    throw new SallyportError('INVALID_FIELD', {
      message: `${dir} is in the state folder, which is the runner's`,
      hint: 'name a folder elsewhere',
    });
  if (existsSync(dir) && readdirSync(dir).length > 0)
    throw new SallyportError('ALREADY_EXISTS', {
      message: `${dir} is not empty`,
      hint: 'name a new folder, or empty this one',
    });
  const files = rendered.flatMap((each) =>
    [...configFiles(plan.topology, each)].map(([path, text]) => [join(each.pod, path), text] as const),
  );
  for (const [path, text] of files) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return files.map(([path]) => path);
}
