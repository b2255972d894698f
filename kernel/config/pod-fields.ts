import { z } from 'zod';
import { logLevels } from '#kernel/log/logger.ts';
import { socketPath } from './primitives.ts';

/** `log` of a pod's configuration. */
export const logField = () =>
  z
    .strictObject({ level: z.enum(logLevels).default('info').describe('Lines below it are not written.') })
    .prefault({});

/** `telemetry` of a pod's configuration. */
export const telemetryField = () =>
  z
    .strictObject({
      endpoint: z.url().optional().describe('OTLP/HTTP endpoint; none: no traces and metrics are sent.'),
      sampleRatio: z.number().min(0).max(1).optional().describe('Share of new traces that are kept.'),
      prometheusSocket: socketPath().optional().describe('Serves metrics at /metrics of this Unix socket.'),
    })
    .prefault({});
