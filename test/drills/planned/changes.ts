import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnMesh } from '#test/mesh.ts';
import type { StepContext } from '../drill.ts';
import { between } from '../random.ts';

type Context = Pick<StepContext, 'mesh' | 'watch' | 'undo' | 'random' | 'signal'>;

const tiers = ['security', 'proxy', 'edge', 'backend', 'db'] as const;
const pushEveryMs = 10_000;
const pushes = 4;
/** Much more often than anybody would. */
const rotateEveryMs = 5000;
const rotations = 3;

/** The table of changes, with how each is brought about. */
export const changes: readonly {
  readonly name: string;
  readonly make: (context: Context) => Promise<void>;
}[] = [
  ...tiers.map((tier) => ({
    name: `rolling restart of every ${tier} pod`,
    make: async ({ mesh, signal }: Context) => void (await mesh.restart({ tiers: [tier] }, { signal })),
  })),
  { name: 'scaling security and proxies from 3 to 4 and back', make: scaleUpAndDown },
  { name: 'a configuration pushed every 10 s', make: pushClusters },
  { name: 'a configuration pushed that changes every listener', make: pushListeners },
  { name: 'certificates rotated every 5 s', make: rotateCertificates },
];

async function scaleUpAndDown({ mesh, watch, signal }: Context): Promise<void> {
  for (const size of [4, 3]) {
    for (const tier of ['security', 'proxies']) await mesh.scale(tier, size, { signal });
    await watch(3000);
  }
}

/** Clusters of every sidecar change, beneath their connections; the last push takes it back. */
async function pushClusters({ mesh, watch, undo, signal }: Context): Promise<void> {
  const takeBack = async (): Promise<void> => void (await mesh.apply({}));
  undo(takeBack);
  for (let n = 1; n < pushes; n++) {
    const began = performance.now();
    await push(
      mesh,
      `connections: {max_requests: ${16_000 + n}, max_pending_requests: ${4000 + n}}\n`,
      signal,
    );
    await watch(Math.max(0, pushEveryMs - (performance.now() - began)));
  }
  await takeBack();
}

/**
 * Listeners of every sidecar change, so each pod is taken out of rotation for it, one after the other. It is not taken
 * back, which would be the same once more: nobody minds a time-out that is some milliseconds longer.
 */
async function pushListeners({ mesh, random, signal }: Context): Promise<void> {
  const ms = between(random, 201, 299);
  await push(mesh, `retries: {back_off_max: ${ms}ms}\nedge: {headers_timeout: ${5000 + ms}ms}\n`, signal);
}

async function push(mesh: OwnMesh, text: string, signal: AbortSignal): Promise<void> {
  const file = join(mesh.stateDir, 'drill-mesh.yaml');
  writeFileSync(file, text);
  try {
    await mesh.apply({ file }, { signal });
  } finally {
    rmSync(file, { force: true });
  }
}

async function rotateCertificates({ mesh, watch, signal }: { mesh: OwnMesh } & Context): Promise<void> {
  for (let n = 0; n < rotations; n++) {
    await mesh.rotateCertificates({}, { signal });
    await watch(rotateEveryMs);
  }
}
