import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { podNamed } from '#compose/topology/query.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { readStats } from '../admin/stats.ts';
import { type Subscription, subscriptionStats, subscriptionsIn } from '../admin/subscriptions.ts';
import { renderPod } from '../build/render.ts';
import type { Patch } from '../model/patch.ts';
import type { MeshModel } from '../model/schema.ts';
import { validateArgs } from '../write/args.ts';
import { writePod } from '../write/write.ts';
import { type Finding, finding } from './finding.ts';
import { causalOrder, type Refusal, refusalsIn, tidy } from './refusals.ts';
import { startEnvoy } from './run-envoy.ts';
import { onFreePorts, type Scratch } from './scratch.ts';

export interface TryOptions {
  /** Path of the Envoy. */
  readonly bin: string;
  readonly model: MeshModel;
  readonly patches: readonly Patch[];
  readonly draining?: ReadonlySet<string>;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

const run = promisify(execFile);
const validateMs = 30_000;
const liveMs = 40_000;

/**
 * Puts one pod's configuration through the real Envoy: the bootstrap by `--mode validate`, and, since that
 * reads no resource files, all of them by an Envoy that is started and asked what it has taken.
 * @throws DEADLINE when Envoy neither ends nor becomes live; the reason of `signal`
 */
export async function tryPod(scratch: Scratch, name: string, o: TryOptions): Promise<Finding[]> {
  const { topology, pki } = scratch;
  const pod = podNamed(topology, name);
  await pki.ensurePod(name, pod.role, { ips: [pod.address] });
  if (pod.role === 'edge') await pki.ensurePublic(name, { ips: [pod.address] });
  const rendered = renderPod(o.model, topology, name, {
    patches: o.patches,
    ...(o.draining && { draining: o.draining }),
  });
  // What is tried must tell why it refuses, whatever the knobs of the mesh say.
  const model = { ...o.model, sidecar: { ...o.model.sidecar, log_level: 'warning' as const }, roles: {} };

  await writePod(topology, rendered);
  const refused = await validateBootstrap(o, scratch, name);
  if (refused !== undefined) return [finding('BOOTSTRAP_REFUSED', name, 'bootstrap', refused)];

  await writePod(topology, onFreePorts(rendered, topology));
  const envoy = await startEnvoy(o.bin, model, topology, pod, {
    clock: o.clock,
    timeoutMs: liveMs,
    ...(o.signal && { signal: o.signal }),
  });
  let subscriptions: Subscription[];
  try {
    subscriptions = subscriptionsIn(await readStats(envoy.admin, subscriptionStats));
  } finally {
    // Envoy has written all of its log only when it has ended.
    await envoy.stop();
  }
  const told = refusalsIn(withoutScratch(envoy.log(), topology.stateDir));
  return attribute(subscriptions, told).map(({ type, resource, reason }) => {
    const known = typeof resource === 'number' ? rendered.xds[type][resource]?.name : resource;
    return finding('RESOURCE_REFUSED', name, known === undefined ? type : `${type}/${known}`, reason);
  });
}

/** What Envoy says against the bootstrap; undefined if nothing. */
async function validateBootstrap(
  o: TryOptions,
  { topology }: Scratch,
  name: string,
): Promise<string | undefined> {
  try {
    await run(o.bin, validateArgs(topology, podNamed(topology, name)), {
      timeout: validateMs,
      maxBuffer: 16 * 2 ** 20,
      ...(o.signal && { signal: o.signal }),
    });
    return undefined;
  } catch (error) {
    o.signal?.throwIfAborted();
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    const critical = /\[critical\]\S*(?: \[[^\]]*\])? (.*)/s.exec(text)?.[1];
    if (critical === undefined) throw error;
    return tidy(withoutScratch(critical, topology.stateDir));
  }
}

/** Folders of a trial mean nothing to whoever reads the answer. */
const withoutScratch = (text: string, stateDir: string): string => text.replaceAll(`${stateDir}/`, '');

interface Attributed extends Refusal {
  readonly type: NonNullable<Refusal['type']>;
}

/**
 * One entry for each refusal, in the order in which one causes another. A subscription that has refused
 * something of which the log tells nothing gets what nobody claims, or says so.
 */
export function attribute(subscriptions: readonly Subscription[], told: readonly Refusal[]): Attributed[] {
  const refused = subscriptions.filter(({ rejected, failed }) => rejected + failed > 0);
  // What is wrong inside a listener may sound like something of another type.
  const isClaimed = (each: Refusal): each is Attributed => refused.some(({ type }) => type === each.type);
  const claimed = told.filter(isClaimed);
  const unclaimed = told.filter((each) => !isClaimed(each));
  const rest = refused
    .filter(({ type, resource }) => !claimed.some((c) => c.type === type && mayBe(c, resource)))
    .map(({ type, resource }): Attributed => {
      const reason = unclaimed.shift()?.reason ?? 'it was refused; the log of the trial does not tell why';
      const list = type === 'cds' || type === 'lds';
      return { type, resource: list ? undefined : resource, reason };
    });
  const all = [...claimed.map((each) => named(each, subscriptions)), ...rest];
  return all.sort((a, b) => causalOrder.indexOf(a.type) - causalOrder.indexOf(b.type));
}

/** Lists are one subscription, whichever of their resources is at fault. */
const mayBe = ({ type, resource }: Attributed, subscribed: string): boolean =>
  type === 'cds' ||
  type === 'lds' ||
  typeof resource !== 'string' ||
  resource === subscribed.replaceAll('/', '.') ||
  resource === subscribed;

/** Of endpoints, routes and secrets each file holds one: if only one of the type was refused, it is that. */
function named(refusal: Attributed, subscriptions: readonly Subscription[]): Attributed {
  const { type } = refusal;
  if (type === 'cds' || type === 'lds' || typeof refusal.resource === 'string') return refusal;
  const [only, more] = subscriptions.filter((s) => s.type === type && s.rejected + s.failed > 0);
  return { ...refusal, resource: more === undefined ? only?.resource : undefined };
}
