import { z } from 'zod';
import { logField, telemetryField } from '#kernel/config/pod-fields.ts';
import { duration, podName, socketPath } from '#kernel/config/primitives.ts';
import { gatewayTarget } from './target-schema.ts';

/** Configuration of a gateway pod. */
export const gatewayConfig = z.strictObject({
  pod: podName().describe('Name of this pod.'),
  group: z.string().min(1).max(63).describe('Its group.'),
  sockets: z
    .strictObject({
      grpc: socketPath().describe('Where this process serves gRPC; its sidecar connects to it.'),
      out: socketPath().optional().describe("The sidecar's egress; must be there to dial out."),
    })
    .describe('Unix sockets.'),
  targets: z.array(gatewayTarget).max(1000).describe('What it reaches; see below.'),
  proxies: z
    .array(podName())
    .max(1000)
    .default([])
    .describe('Proxies that it dials; none: they dial it. Looked at while it runs.'),
  idleLinks: z
    .int()
    .min(1)
    .max(100)
    .default(8)
    .describe('Streams to each of them that wait for a call; another is opened for each that is taken.'),
  noticeTimeout: duration({ max: 60_000 })
    .default(500)
    .describe('From refusing new calls, which then go to another gateway, until the pod stops.'),
  drainTimeout: duration({ min: 0 })
    .default(10_000)
    .describe('For calls that are under way when the pod stops.'),
  log: logField(),
  telemetry: telemetryField(),
});
export type GatewayConfig = z.output<typeof gatewayConfig>;
