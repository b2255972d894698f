import { z } from 'zod';
import { logField, telemetryField } from '#kernel/config/pod-fields.ts';
import { bytes, duration, podName, socketPath } from '#kernel/config/primitives.ts';

/** Configuration of a proxy pod. */
export const proxyConfig = z.strictObject({
  pod: podName().describe('Name of this pod.'),
  sockets: z
    .strictObject({
      grpc: socketPath().describe('Where this process serves gRPC; its sidecar connects to it.'),
      out: socketPath().describe("The sidecar's egress to the security tier."),
      backends: socketPath().describe("The sidecar's egress to backends."),
      figures: socketPath()
        .optional()
        .describe('Made here: counts that are always kept, as Prometheus text.'),
    })
    .describe('Unix sockets; the one way in and out.'),
  securityPods: z.array(podName()).min(1).describe('Security pods, each of which is watched.'),
  leaving: z
    .array(podName())
    .max(1000)
    .default([])
    .describe(
      'Edges whose devices are asked to go on through another one; this pod itself: at another proxy. Looked at while it runs, as securityPods are.',
    ),
  site: z.string().min(1).max(40).default('master').describe('Name of the site that it stands at.'),
  sites: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(40).describe('Its name in policies.'),
        edgeUrls: z.array(z.url()).max(16).describe('Its edges, for whoever asks at the wrong site.'),
        backends: z.array(z.string()).max(1000).describe('Clusters that have backends there.'),
        gatewayGroups: z
          .array(z.string())
          .max(100)
          .default([])
          .describe('Groups of gateways that are reached from there only.'),
      }),
    )
    .max(2)
    .default([])
    .describe('Where there are two.'),
  dialingGateways: z
    .array(podName())
    .max(1000)
    .default([])
    .describe(
      'Gateways that dial out: calls go to them by the streams that they open. Looked at while it runs.',
    ),
  drainedGateways: z
    .array(podName())
    .max(1000)
    .default([])
    .describe(
      'Gateways that are to have no new calls: sessions go on at another one. Looked at while it runs.',
    ),
  limits: z
    .strictObject({
      maxAttachments: z
        .int()
        .min(1)
        .default(100_000)
        .describe('Attachments held; the one used longest ago makes room.'),
      maxPerSession: z
        .int()
        .min(1)
        .default(16)
        .describe('Attachments of one session; the oldest makes room.'),
      idle: duration({ min: 1000 }).default(1_800_000).describe('Without use for so long, one is forgotten.'),
      maxBody: bytes({ min: 1 })
        .default(64 * 2 ** 20)
        .describe('Body of a request where the policy sets no limit.'),
      appCache: bytes({ min: 2 ** 20 })
        .default(32 * 2 ** 20)
        .describe('Packages of the app catalogue that are kept in memory.'),
    })
    .prefault({}),
  backends: z
    .strictObject({
      connections: z
        .int()
        .min(1)
        .max(100_000)
        .default(1024)
        .describe('Requests under way to one backend; more are refused.'),
      headersTimeout: duration({ min: 100 }).default(30_000).describe('Until the head of an answer.'),
      bodyTimeout: duration({ min: 100 }).default(60_000).describe('Without a byte of its body.'),
      stallTimeout: duration({ min: 1000 })
        .default(120_000)
        .describe('For a device to send, or to take, the next piece of a body on a stream.'),
    })
    .prefault({}),
  tierTimeout: duration({ min: 100 })
    .default(5000)
    .describe('For a lease or a decision of the security tier.'),
  noticeTimeout: duration({ max: 60_000 })
    .default(1000)
    .describe('From NOT_SERVING until calls are refused: health checks must see it.'),
  drainTimeout: duration({ min: 0 }).default(10_000).describe('For what is under way when the pod stops.'),
  log: logField(),
  telemetry: telemetryField(),
});
export type ProxyConfig = z.output<typeof proxyConfig>;
