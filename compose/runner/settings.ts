import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { loadMesh, loadPatches, parseMesh, parsePatches } from '#envoy/model/load.ts';
import type { Patch } from '#envoy/model/patch.ts';
import type { MeshModel } from '#envoy/model/schema.ts';
import { readStateFile, writeStateFile } from '#kernel/config/state-file.ts';

/** Sizes that a mesh can have: pods of each tier, `backendReplicas` of each backend. */
export const sizeNames = [
  'security',
  'proxies',
  'edges',
  'db',
  'workers',
  'services',
  'backendReplicas',
] as const;
export type SizeName = (typeof sizeNames)[number];
export type Sizes = { readonly [K in SizeName]?: number } & {
  /** Pods of groups of gateways that were scaled; the others have what the gateways.yaml says. */
  readonly gateways?: Readonly<Record<string, number>>;
};

const settingsFile = z.strictObject({
  version: z.literal(1),
  /** As somebody last asked for; what is missing has its default. */
  sizes: z.partialRecord(z.enum(sizeNames), z.int().min(0)),
  /** The mesh.yaml and patches that were applied; null: those of the release. */
  applied: z
    .strictObject({
      mesh: z.string().nullable(),
      patches: z.array(z.strictObject({ name: z.string(), text: z.string() })).nullable(),
    })
    .nullable(),
  /** The gateways.yaml that was given last; null: none. */
  gateways: z.string().nullable().default(null),
  /** Pods of its groups that were scaled since. */
  gatewayPods: z.record(z.string(), z.int().min(1)).default({}),
  /** The sites.yaml that was given last; null: none. */
  sites: z.string().nullable().default(null),
  /** Which site is master since the last promotion, null for the one without a name, and whether the other is away. */
  promoted: z.strictObject({ master: z.string().nullable(), alone: z.boolean() }).nullable().default(null),
  /** The targets.yaml that was given last; null: none. */
  targets: z.string().nullable().default(null),
  /** The security.yaml that was given last; null: none. */
  security: z.string().nullable().default(null),
});
type Settings = z.infer<typeof settingsFile>;

/** What `mesh apply` was given: texts, so that the next start does not depend on files that may have gone. */
export type Applied = NonNullable<Settings['applied']>;

/** Envoy configuration as it comes from a mesh.yaml and patches. */
export interface Tuned {
  readonly model: MeshModel;
  readonly patches: readonly Patch[];
}

/** Where the copies are that other tools read; undefined stands for what the release has. */
export interface AppliedPlaces {
  readonly meshFile: string | undefined;
  readonly patchesDir: string | undefined;
}

/**
 * What is kept about a mesh from one start to the next, in `<state>/settings.json` (0600). What was applied
 * stands as files in `<state>/applied` too, for tools and eyes.
 */
export class KeptSettings {
  readonly #file: string;
  readonly #copies: string;
  #settings: Settings;
  #held = false;

  /** @throws CONFIG_INVALID when the file is there and cannot be read */
  constructor(stateDir: string) {
    this.#file = join(stateDir, 'settings.json');
    this.#copies = join(stateDir, 'applied');
    this.#settings = readStateFile(this.#file, settingsFile, {
      what: 'a settings file',
      hint: 'remove it: sizes and what was applied are then as the release has them',
    }) ?? {
      version: 1,
      sizes: {},
      applied: null,
      gateways: null,
      gatewayPods: {},
      sites: null,
      promoted: null,
      targets: null,
      security: null,
    };
  }

  /** What is given from here on is tried first: a start that is refused leaves the settings as they were. */
  hold(): void {
    this.#held = true;
  }

  /** What was given meanwhile is kept, and what comes from here on at once. */
  release(): void {
    this.#held = false;
    this.#write(this.#settings);
  }

  get sizes(): Sizes {
    const { sizes, gatewayPods: gateways } = this.#settings;
    return { ...definedSizes(sizes), ...(Object.keys(gateways).length > 0 && { gateways }) };
  }

  get applied(): Applied | undefined {
    return this.#settings.applied ?? undefined;
  }

  get gateways(): string | undefined {
    return this.#settings.gateways ?? undefined;
  }

  keepGateways(gateways: string): void {
    this.#write({ ...this.#settings, gateways, gatewayPods: {} });
  }

  get sites(): string | undefined {
    return this.#settings.sites ?? undefined;
  }

  keepSites(sites: string): void {
    this.#write({ ...this.#settings, sites });
  }

  get promoted(): { readonly master: string | undefined; readonly alone: boolean } | undefined {
    const { promoted } = this.#settings;
    return promoted === null ? undefined : { master: promoted.master ?? undefined, alone: promoted.alone };
  }

  keepPromoted({ master, alone }: { readonly master: string | undefined; readonly alone: boolean }): void {
    this.#write({ ...this.#settings, promoted: { master: master ?? null, alone } });
  }

  get targets(): string | undefined {
    return this.#settings.targets ?? undefined;
  }

  keepTargets(targets: string): void {
    this.#write({ ...this.#settings, targets });
  }

  get security(): string | undefined {
    return this.#settings.security ?? undefined;
  }

  keepSecurity(security: string): void {
    this.#write({ ...this.#settings, security });
  }

  /** Sizes that are named replace those that were kept. */
  keepSizes({ gateways, ...sizes }: Sizes): void {
    const before = this.#settings;
    const gatewayPods = { ...before.gatewayPods, ...gateways };
    this.#write({ ...before, gatewayPods, sizes: { ...before.sizes, ...sizes } });
  }

  keepApplied(applied: Applied | undefined): void {
    this.#write({ ...this.#settings, applied: applied ?? null });
    this.#copy(applied);
  }

  get appliedPlaces(): AppliedPlaces {
    const { mesh = null, patches = null } = this.applied ?? {};
    return {
      meshFile: mesh === null ? undefined : join(this.#copies, 'mesh.yaml'),
      patchesDir: patches === null ? undefined : join(this.#copies, 'patches'),
    };
  }

  #copy(applied: Applied | undefined): void {
    rmSync(this.#copies, { recursive: true, force: true });
    const { mesh = null, patches = null } = applied ?? {};
    const { meshFile, patchesDir } = this.appliedPlaces;
    if (mesh !== null && meshFile !== undefined) {
      mkdirSync(this.#copies, { recursive: true, mode: 0o700 });
      writeFileSync(meshFile, mesh, { mode: 0o600 });
    }
    if (patches === null || patchesDir === undefined) return;
    mkdirSync(patchesDir, { recursive: true, mode: 0o700 });
    for (const { name, text } of patches) writeFileSync(join(patchesDir, name), text, { mode: 0o600 });
  }

  #write(settings: Settings): void {
    if (!this.#held) writeStateFile(this.#file, settings, { flush: true });
    this.#settings = settings;
  }
}

/** Model and patches of what was applied, else of the release. @throws CONFIG_INVALID */
export function tunedBy(applied: Applied | undefined): Tuned {
  const { mesh = null, patches = null } = applied ?? {};
  return {
    model: mesh === null ? loadMesh() : parseMesh(mesh, 'the mesh.yaml that was applied'),
    patches: patches === null ? loadPatches() : patches.flatMap(({ name, text }) => parsePatches(text, name)),
  };
}

const definedSizes = (sizes: Settings['sizes']): Sizes =>
  Object.fromEntries(Object.entries(sizes).filter(([, size]) => size !== undefined));
