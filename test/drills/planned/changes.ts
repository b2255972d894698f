import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OwnMesh } from '#test/mesh.ts';
import type { StepContext } from '../drill.ts';

type Context = Pick<StepContext, 'mesh' | 'watch' | 'undo' | 'signal'>;

const tiers = ['security', 'proxy', 'edge', 'backend', 'db'] as const;
/** Issue of the drills: a push every 10 s. */
const pushEveryMs = 10_000;
const pushes = 2;
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
  { name: 'a configuration pushed every 10 s', make: pushConfigurations },
  { name: 'certificates rotated every 5 s', make: rotateCertificates },
];

async function scaleUpAndDown({ mesh, watch, signal }: Context): Promise<void> {
  for (const size of [4, 3]) {
    for (const tier of ['security', 'proxies']) await mesh.scale(tier, size, { signal });
    await watch(3000);
  }
}

/** Knobs that change clusters and listeners of every sidecar; the last push takes them back. */
async function pushConfigurations({ mesh, watch, undo, signal }: Context): Promise<void> {
  const file = join(mesh.stateDir, 'drill-mesh.yaml');
  const takeBack = async (): Promise<void> => {
    await mesh.apply({});
    rmSync(file, { force: true });
  };
  undo(takeBack);
  for (let n = 1; n < pushes; n++) {
    writeFileSync(
      file,
      `connections: {max_requests: ${16_000 + n}}\nretries: {back_off_max: ${200 + n}ms}\n` +
        `edge: {headers_timeout: ${5 + n}s}\n`,
    );
    await mesh.apply({ file }, { signal });
    await watch(pushEveryMs);
  }
  await takeBack();
}

async function rotateCertificates({ mesh, watch, signal }: { mesh: OwnMesh } & Context): Promise<void> {
  for (let n = 0; n < rotations; n++) {
    await mesh.rotateCertificates({}, { signal });
    await watch(rotateEveryMs);
  }
}
