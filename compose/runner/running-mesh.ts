import { mkdirSync, rmSync } from 'node:fs';
import { podRunDir } from '#compose/topology/paths.ts';
import { edgeUrlsOf, podsOf } from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { SallyportError } from '#core/errors/error.ts';
import { type RenderedPod, renderMesh } from '#envoy/build/render.ts';
import type { Patch } from '#envoy/model/patch.ts';
import type { MeshModel } from '#envoy/model/schema.ts';
import { writePod } from '#envoy/write/write.ts';
import type { Pki } from '#kernel/pki/pki.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { issueCertificates, issueTo } from './certificates.ts';
import type { NamedProcess } from './orphans.ts';
import { type ProgramContext, processProgram, sidecarProgram, writeProcessConfig } from './programs.ts';
import { Supervised } from './supervised.ts';
import { type NotTaken, TakeWatch } from './taken.ts';

/** What a mesh is made from and stays the same while it runs. */
export interface MeshParts
  extends Omit<ProgramContext, 'topology' | 'model' | 'leaving' | 'draining' | 'edgeUrls'> {
  readonly pki: Pki;
  readonly clock: Clock;
  readonly progress: (line: string) => void;
  /** Is told after each start and end of a process. */
  readonly onProcesses: () => void;
}

/** What of a mesh changes while it runs. Replaced whole. */
export interface MeshShape {
  readonly topology: Topology;
  readonly model: MeshModel;
  readonly patches: readonly Patch[];
}

/** A whole configuration that was not taken by all: why, and by whom. */
export type Refused = Pick<NotTaken, 'pod' | 'message'>;

/** The processes of a mesh, and the configuration that they were given. One at a time changes it (one-change.ts). */
export class RunningMesh {
  #parts: MeshParts;
  readonly #running = new Map<string, Supervised>();
  /** Pods that get no new calls from others. */
  readonly #draining = new Set<string>();
  /** Edges and proxies whose devices are asked to go on elsewhere. */
  readonly #leaving = new Set<string>();
  #shape: MeshShape;
  #sidecars: readonly RenderedPod[];
  /** Pods whose listeners are still those of the shape before, in the middle of a change. */
  #oldListeners: ReadonlySet<string> = new Set();
  #writing: Promise<unknown> = Promise.resolve();

  /** @throws CONFIG_INVALID for patches that fit nowhere */
  constructor(parts: MeshParts, shape: MeshShape) {
    this.#parts = parts;
    this.#shape = shape;
    this.#sidecars = this.render(shape);
  }

  get parts(): MeshParts {
    return this.#parts;
  }

  /** The database group has another name from now on: nodes are told when they start. */
  adoptGroup(groupName: string): void {
    this.#parts = { ...this.#parts, secrets: { ...this.#parts.secrets, groupName } };
  }

  get shape(): MeshShape {
    return this.#shape;
  }

  get topology(): Topology {
    return this.#shape.topology;
  }

  get sidecars(): readonly RenderedPod[] {
    return this.#sidecars;
  }

  get draining(): ReadonlySet<string> {
    return this.#draining;
  }

  get leaving(): ReadonlySet<string> {
    return this.#leaving;
  }

  get running(): ReadonlyMap<string, Supervised> {
    return this.#running;
  }

  /** What was started and has not been seen to end. */
  get living(): NamedProcess[] {
    return [...this.#running.values()].flatMap(({ spec, identity }) =>
      identity === undefined ? [] : [{ name: spec.name, identity }],
    );
  }

  /** What sidecars would be given if the mesh had that shape. */
  render(shape: MeshShape): readonly RenderedPod[] {
    return renderMesh(shape.model, shape.topology, { patches: shape.patches, draining: this.#draining });
  }

  /** Certificates for every pod, and all that sidecars read, without waiting for anybody. */
  async prepare(): Promise<void> {
    const { topology } = this.#shape;
    for (const pod of topology.pods) this.#makeFolders(pod);
    await issueCertificates(this.parts.pki, topology);
    await this.#exclusively(() => this.#writeAll(this.#sidecars));
  }

  /** Sees to it that certificates are good for long, and that running sidecars have what is written. */
  async renewCertificates(force = false): Promise<void> {
    await issueCertificates(this.parts.pki, this.topology, force);
    await this.push();
  }

  /** The same for some of the pods, which trust the roots of now from then on. */
  async renewCertificatesOf(pods: readonly Pod[]): Promise<void> {
    await issueTo(pods, this.parts.pki);
    await this.push();
  }

  /** Starts a pod's process and sidecar with the configuration of now, unless they run. */
  start(pod: Pod): void {
    const { clock, progress, onProcesses } = this.parts;
    const context = this.context;
    this.#makeFolders(pod);
    for (const spec of [processProgram(context, pod), sidecarProgram(context, pod)]) {
      if (spec === undefined) continue;
      const before = this.#running.get(spec.name);
      if (before?.identity !== undefined) continue;
      // It may wait to be started again, as it was: at once, then, and as it is to be now.
      void before?.stop(0);
      const supervised = new Supervised(spec, {
        clock,
        onChange: onProcesses,
        onExit: ({ name }, how, restartMs) =>
          progress(`${name} ended (${how}), starting it again in ${(restartMs ?? 0) / 1000} s`),
      });
      this.#running.set(spec.name, supervised);
      supervised.start();
    }
  }

  /** Has a pod that starts give way to those that serve, or not any longer. */
  async setModest({ name }: Pod, modest: boolean): Promise<void> {
    const parts = [this.#running.get(`${name} process`), this.#running.get(`${name} sidecar`)];
    await Promise.all(parts.map((part) => part?.setModest(modest)));
  }

  /** Forgets a pod that has been stopped for good: its sockets go, its logs and data stay. */
  forget(pod: string): void {
    for (const part of ['process', 'sidecar']) this.#running.delete(`${pod} ${part}`);
    this.#draining.delete(pod);
    this.#leaving.delete(pod);
    rmSync(podRunDir(this.topology, pod), { recursive: true, force: true });
  }

  /** Changes who is in rotation; takes effect with {@link push}. */
  setDraining(pod: string, draining: boolean): void {
    if (draining) this.#draining.add(pod);
    else this.#draining.delete(pod);
  }

  /** Tells every proxy whose devices are to go on elsewhere: those of an edge, or the proxy's own. */
  setLeaving(pod: string, leaving: boolean): void {
    if (leaving) this.#leaving.add(pod);
    else this.#leaving.delete(pod);
    this.configureProcesses();
  }

  /** Writes the configuration of running processes anew; they look at it (kernel/config/watch-config.ts). */
  configureProcesses(): void {
    for (const role of ['security', 'proxy', 'worker', 'gateway'] as const)
      for (const pod of podsOf(this.topology, role)) writeProcessConfig(this.context, pod);
  }

  /**
   * Gives running sidecars what they should have by now, and waits until they have taken it. One that does
   * not answer is told of and passed over: it reads its files when it starts.
   * @throws CONFIG_REJECTED when one refuses; what the others have taken stays
   */
  async push(): Promise<void> {
    const refused = await this.#pushAll(this.#shape, false);
    if (refused.length > 0) throw rejected(refused);
  }

  /**
   * Gives the mesh another shape. If a sidecar refuses it, all of them get back what they had.
   * @param withoutListeners pods whose listeners stay as they are, for now
   * @throws CONFIG_REJECTED naming who refused what, and why; then the shape is as before
   */
  async reshape(shape: MeshShape, withoutListeners: ReadonlySet<string> = new Set()): Promise<void> {
    const refused = await this.#pushAll(shape, true, withoutListeners);
    if (refused.length > 0) throw rejected(refused);
  }

  get context(): ProgramContext {
    const { topology, model } = this.#shape;
    const [draining, leaving] = [this.#draining, [...this.#leaving]];
    return { ...this.parts, topology, model, edgeUrls: edgeUrlsOf(topology), leaving, draining };
  }

  async #pushAll(shape: MeshShape, orNone: boolean, oldListeners = this.#oldListeners): Promise<Refused[]> {
    return this.#exclusively(async () => {
      const sidecars = this.render(shape).map((each) => this.#withListeners(each, oldListeners));
      const refused = await this.#writeAll(sidecars);
      if (refused.length > 0 && orNone) {
        const still = await this.#writeAll(this.#sidecars);
        for (const { pod, message } of still)
          this.parts.progress(`${pod} does not take back what it had: ${message}`);
        return refused;
      }
      this.#shape = shape;
      this.#sidecars = sidecars;
      this.#oldListeners = oldListeners;
      return refused;
    });
  }

  /** With the listeners that it has, if it is to keep them; they refer to nothing that comes and goes. */
  #withListeners(rendered: RenderedPod, kept: ReadonlySet<string>): RenderedPod {
    const now = kept.has(rendered.pod) ? this.#sidecars.find(({ pod }) => pod === rendered.pod) : undefined;
    return now === undefined ? rendered : { ...rendered, xds: { ...rendered.xds, lds: now.xds.lds } };
  }

  /** All at once: each waits for its own sidecar. */
  async #writeAll(sidecars: readonly RenderedPod[]): Promise<Refused[]> {
    const { topology } = this.#shape;
    const refused: Refused[] = [];
    await Promise.all(
      sidecars.map(async (rendered) => {
        const { pod } = rendered;
        if (this.#running.get(`${pod} sidecar`)?.identity === undefined) {
          await writePod(topology, rendered);
          return;
        }
        const watch = await TakeWatch.begin(topology, pod, this.parts.clock);
        const settle = async (): Promise<void> => {
          const not = await watch.taken();
          if (not?.how === 'silent') this.parts.progress(`${pod}'s sidecar is passed over: ${not.message}`);
          if (not?.how === 'refused') throw new Refusal(not);
        };
        try {
          await writePod(topology, rendered, { settle });
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          refused.push(error.notTaken);
        }
      }),
    );
    return refused;
  }

  /** One writes at a time, whoever began: a change, or the chore that renews certificates. */
  #exclusively<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#writing.then(body);
    this.#writing = done.catch(() => undefined);
    return done;
  }

  #makeFolders(pod: Pod): void {
    mkdirSync(podRunDir(this.topology, pod.name), { recursive: true, mode: 0o700 });
  }
}

class Refusal extends Error {
  readonly notTaken: NotTaken;

  constructor(notTaken: NotTaken) {
    super(notTaken.message);
    this.notTaken = notTaken;
  }
}

function rejected(refused: readonly Refused[]): SallyportError {
  return new SallyportError('CONFIG_REJECTED', {
    message: refused.map(({ pod, message }) => `${pod}: ${message}`).join('\n'),
  });
}
