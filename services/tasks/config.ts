import { z } from 'zod';
import type { DeepReadonly } from '#kernel/config/load-config.ts';
import { logField, telemetryField } from '#kernel/config/pod-fields.ts';
import { duration, path, podName, socketPath } from '#kernel/config/primitives.ts';
import { targetsConfig } from './connectors/targets.ts';

/** Configuration of a worker pod. */
export const workerConfig = z.strictObject({
  pod: podName().describe('Name of this pod.'),
  sockets: z
    .strictObject({
      out: socketPath().describe("The sidecar's egress to the security tier."),
      dbRw: socketPath().describe("The sidecar's way to the MySQL primary."),
      figures: socketPath()
        .optional()
        .describe('Made here, once it claims tasks: counts that are always kept, as Prometheus text.'),
    })
    .describe('Unix sockets; a worker serves nobody.'),
  database: z
    .strictObject({
      user: z.string().min(1).default('sallyport').describe('Account.'),
      passwordFile: path().describe('File with its password.'),
      connections: z.int().min(2).max(100).default(4).describe('Connections at most.'),
    })
    .describe('MySQL.'),
  securityPods: z
    .array(podName())
    .min(1)
    .describe('Security pods, each of which tells when there is work. Looked at while it runs.'),
  modules: z
    .array(path())
    .max(100)
    .default([])
    .describe(
      'Modules that export more `definitions` of tasks, beside those of services/tasks/definitions.ts.',
    ),
  host: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("The machine that this pod is on, where tasks are bound to one; the machine's name."),
  targets: targetsConfig,
  gateways: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(63).describe('Its name.'),
        pods: z
          .array(podName())
          .max(100)
          .describe('Gateways in it, which are asked in this order. Looked at while it runs.'),
      }),
    )
    .max(100)
    .default([])
    .describe('Groups of gateways that do what tasks ask for.'),
  parallel: z.int().min(1).max(1000).default(64).describe('Tasks that it runs at a time.'),
  claim: duration({ min: 1000, max: 60_000 })
    .default(3000)
    .describe('How long a claim holds without being renewed: so long the tasks of a dead worker wait.'),
  poll: duration({ min: 50, max: 60_000 })
    .default(500)
    .describe('Between two looks for what nobody has told of: times that have come, claims that ran out.'),
  log: logField(),
  telemetry: telemetryField(),
});
export type WorkerConfig = DeepReadonly<z.output<typeof workerConfig>>;
