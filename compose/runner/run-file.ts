import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { runFile } from '#compose/topology/paths.ts';
import { SallyportError } from '#core/errors/error.ts';
import { processIdentity } from '#kernel/lifecycle/process-identity.ts';

/** What runs on a state folder: from it a start knows whose processes these are, and a CLI finds its way in. */
export const runState = z.object({
  version: z.literal(1),
  state: z.enum(['starting', 'up', 'stopping', 'stopped']),
  runner: processIdentity,
  startedAt: z.string(),
  runDir: z.string(),
  /** Base URLs of the edges. */
  edgeUrls: z.array(z.string()),
  /** File with the root that edges' certificates are checked by. */
  publicCa: z.string(),
  pods: z.array(
    z.object({
      name: z.string(),
      role: z.string(),
      host: z.string(),
      address: z.string(),
      ports: z.record(z.string(), z.int()),
      backend: z.object({ cluster: z.string() }).optional(),
    }),
  ),
  /** The mesh.yaml that sidecars were configured from, when it is not the shipped one. */
  meshFile: z.string().optional(),
  /** The folder of the patches, when it is not the shipped one. */
  patchesDir: z.string().optional(),
  /** Pods that an operator has taken out of rotation. */
  draining: z.array(z.string()).optional(),
  /** Where processes and sidecars were told to send traces. */
  telemetry: z.object({ endpoint: z.string(), sampleRatio: z.number().optional() }).optional(),
  /** All that was started and has not been seen to end. */
  processes: z.array(z.object({ name: z.string(), identity: processIdentity })),
});
export type RunState = z.infer<typeof runState>;

/** The state folder's run.json; undefined if there is none. @throws CONFIG_INVALID when it cannot be read */
export function readRunState(stateDir: string): RunState | undefined {
  const file = runFile({ stateDir });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return runState.parse(JSON.parse(text));
  } catch (cause) {
    throw new SallyportError('CONFIG_INVALID', {
      message: `${file} is not a run file of this release`,
      hint: 'look for processes of the mesh that it speaks of, end them, and remove the file',
      cause,
    });
  }
}

/** Replaced whole, readable by its owner only. */
export function writeRunState(stateDir: string, state: RunState): void {
  const file = runFile({ stateDir });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.new`;
  writeFileSync(temporary, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, file);
}
