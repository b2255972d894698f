import { z } from 'zod';
import { runFile } from '#compose/topology/paths.ts';
import { readStateFile, writeStateFile } from '#kernel/config/state-file.ts';
import { processIdentity } from '#kernel/lifecycle/process-identity.ts';
import { trouble } from './troubles.ts';

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
      gateway: z.object({ group: z.string() }).optional(),
      site: z.string().optional(),
    }),
  ),
  /** The site that is master since a promotion. */
  master: z.string().optional(),
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
  /** What of it hangs, waits to be started again, or was a short while ago. */
  troubles: z.array(trouble).optional(),
});
export type RunState = z.infer<typeof runState>;

/** The state folder's run.json; undefined if there is none. @throws CONFIG_INVALID when it cannot be read */
export function readRunState(stateDir: string): RunState | undefined {
  return readStateFile(runFile({ stateDir }), runState, {
    what: 'a run file',
    hint: 'look for processes of the mesh that it speaks of, end them, and remove the file',
  });
}

export function writeRunState(stateDir: string, state: RunState): void {
  writeStateFile(runFile({ stateDir }), state);
}
