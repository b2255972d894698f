import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { RenderedPod } from '#envoy/build/render.ts';
import type { Finding } from '#envoy/check/finding.ts';
import { validateMesh } from '#envoy/check/validate-mesh.ts';
import { shippedPatchesDir } from '#envoy/model/load.ts';
import { envoyArgs } from '#envoy/write/args.ts';
import { checkInotify } from '../inotify.ts';
import type { MeshShape, RunningMesh } from '../running-mesh.ts';
import { type Applied, type Tuned, tunedBy } from '../settings.ts';
import type { Change } from './one-change.ts';
import { restartPod } from './restart.ts';
import { changeListeners } from './rotation.ts';

export interface ApplyOptions {
  /** A mesh.yaml; without one that of the release, envoy/mesh.yaml. */
  readonly file?: string;
  /** A folder of patches; without one that of the release, envoy/patches. */
  readonly patchesDir?: string;
  /** Only says what would change. */
  readonly dryRun?: boolean;
  /** Restarts, one after the other, what can take its part only so. */
  readonly restart?: boolean;
}

export interface AppliedChange {
  /** Resources that change, as `pod: type/name`. */
  readonly changed: readonly string[];
  /** Pods whose sidecars take a part of it only when they are started again. */
  readonly restart: readonly string[];
  /** Pods that were restarted. */
  readonly restarted: readonly string[];
}

/** What a change means for one sidecar. */
interface PodChange {
  readonly pod: Pod;
  readonly resources: readonly string[];
  /** Listeners change: connections are ended after a while, so the pod is taken out of rotation before. */
  readonly listeners: boolean;
  /** Bootstrap or arguments change, which are read at the start only. */
  readonly restart: boolean;
}

/** The texts that are to be applied. @throws CONFIG_INVALID for what cannot be read */
export function readApplied({ file, patchesDir }: ApplyOptions): Applied | undefined {
  if (file === undefined && patchesDir === undefined) return undefined;
  return {
    mesh: file === undefined ? null : readText(file),
    patches:
      patchesDir === undefined
        ? null
        : namesIn(patchesDir).map((name) => ({ name, text: readText(join(patchesDir, name)) })),
  };
}

/**
 * Gives the running mesh another mesh.yaml and other patches. Whatever may end connections is done one pod at
 * a time, out of rotation. If a sidecar refuses its part, all of them get back what they had.
 * @throws CONFIG_INVALID; CONFIG_REJECTED; START_FAILED; the reason of the signal
 */
export async function apply(
  mesh: RunningMesh,
  options: ApplyOptions,
  withTelemetry: (tuned: Tuned) => Tuned,
  change: Change,
): Promise<AppliedChange> {
  const { progress, signal } = change;
  const before = mesh.shape;
  const shape: MeshShape = { ...before, ...withTelemetry(tunedBy(readApplied(options))) };
  const changes = compare(mesh, shape);
  const changed = changes.flatMap(({ pod, resources }) => resources.map((name) => `${pod.name}: ${name}`));
  const restart = changes.filter((each) => each.restart).map(({ pod }) => pod);
  const names = restart.map(({ name }) => name);
  if (options.dryRun === true || changes.length === 0) return { changed, restart: names, restarted: [] };
  await tryOut(mesh, shape, changes, change);
  checkInotify(mesh.render(shape), { besides: mesh.sidecars });
  signal.throwIfAborted();
  progress(`${changed.length} resources of ${changes.length} sidecars change`);
  await inSteps(mesh, shape, changes, change);
  const restarted: string[] = [];
  if (options.restart === true) {
    for (const pod of restart) {
      signal.throwIfAborted();
      await restartPod(mesh, pod, change);
      restarted.push(pod.name);
    }
  }
  return { changed, restart: names.filter((name) => !restarted.includes(name)), restarted };
}

/**
 * Puts the configuration through Envoys that serve nobody, before any sidecar sees it: one pod of each role,
 * and those that a patch names.
 */
async function tryOut(
  mesh: RunningMesh,
  { model, topology, patches }: MeshShape,
  changes: readonly PodChange[],
  { progress, signal }: Change,
): Promise<void> {
  const named = new Set(patches.map(({ match }) => match.pod));
  const roles = new Set<string>();
  const pods = changes.flatMap(({ pod: { name, role } }) => {
    const wanted = named.has(name) || !roles.has(role);
    roles.add(role);
    return wanted ? [name] : [];
  });
  const { clock, envoy } = mesh.parts;
  const { draining } = mesh;
  const findings = await validateMesh(model, topology, {
    bin: envoy.bin,
    patches,
    draining,
    pods,
    clock,
    signal,
  });
  const words = ({ code, pod, where, message, patches: from = [] }: Finding): string =>
    `${code}: ${pod} ${where}: ${message}${from.length > 0 ? ` (patched by ${from.join(', ')})` : ''}`;
  for (const each of findings) if (each.severity !== 'error') progress(words(each));
  const errors = findings.filter(({ severity }) => severity === 'error').map(words);
  if (errors.length > 0) throw new SallyportError('CONFIG_REJECTED', { message: errors.join('\n') });
}

/** First what changes beneath connections, everywhere; then listeners, one pod at a time. */
async function inSteps(
  mesh: RunningMesh,
  shape: MeshShape,
  changes: readonly PodChange[],
  change: Change,
): Promise<void> {
  const before = mesh.shape;
  const later = changes.filter(({ listeners }) => listeners);
  const waiting = new Set(later.map(({ pod }) => pod.name));
  try {
    await mesh.reshape(shape, new Set(waiting));
    for (const { pod } of later) {
      change.signal.throwIfAborted();
      change.progress(`${pod.name}: listeners`);
      await changeListeners(mesh, [pod], change, async () => {
        waiting.delete(pod.name);
        await mesh.reshape(shape, new Set(waiting));
      });
    }
  } catch (error) {
    if (mesh.shape !== before) await mesh.reshape(before);
    throw error;
  }
}

function compare(mesh: RunningMesh, shape: MeshShape): PodChange[] {
  const after = new Map(mesh.render(shape).map((each) => [each.pod, each]));
  return mesh.sidecars.flatMap((now) => {
    const next = after.get(now.pod);
    const pod = mesh.topology.pods.find(({ name }) => name === now.pod);
    if (next === undefined || pod === undefined) return [];
    const resources = resourcesThatDiffer(now, next);
    const differ = (a: unknown, b: unknown): boolean => JSON.stringify(a) !== JSON.stringify(b);
    const { model, topology } = mesh.shape;
    const args = differ(envoyArgs(model, topology, pod), envoyArgs(shape.model, topology, pod));
    const bootstrap = differ(now.bootstrap, next.bootstrap);
    if (args) resources.push('arguments');
    if (bootstrap) resources.push('bootstrap');
    if (resources.length === 0) return [];
    return [{ pod, resources, listeners: differ(now.xds.lds, next.xds.lds), restart: args || bootstrap }];
  });
}

function resourcesThatDiffer(now: RenderedPod, next: RenderedPod): string[] {
  const all = (rendered: RenderedPod): Map<string, string> =>
    new Map(
      Object.entries(rendered.xds).flatMap(([type, resources]) =>
        resources.map(({ name, body }) => [`${type}/${name}`, JSON.stringify(body)] as const),
      ),
    );
  const [before, after] = [all(now), all(next)];
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => before.get(name) !== after.get(name));
}

const namesIn = (dir: string): string[] =>
  reading(dir, () =>
    readdirSync(dir)
      .filter((name) => name.endsWith('.yaml'))
      .sort(),
  );
const readText = (file: string): string => reading(file, () => readFileSync(file, 'utf8'));

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      hint: `--file names a mesh.yaml, --patches a folder such as ${shippedPatchesDir}`,
      cause,
    });
  }
}
