import { SallyportError } from '#core/errors/error.ts';
import type { MeshModel } from '#envoy/model/schema.ts';

/** Where a mesh sends traces and figures. */
export interface TelemetryTarget {
  /** Base URL of an OTLP/HTTP receiver: `http://127.0.0.1:4318`. */
  readonly endpoint: string;
  /** Share of the traces that begin in the mesh and are kept, 0 to 1; default 0.1. A caller's decision is followed. */
  readonly sampleRatio?: number;
}

/** The part of a process's configuration that is about telemetry; empty without a target. */
export const processTelemetry = (target: TelemetryTarget | undefined): { telemetry?: TelemetryTarget } =>
  target === undefined ? {} : { telemetry: target };

/**
 * The model with sidecars that send their traces there; unchanged without a target.
 * @throws CONFIG_INVALID for what is no http URL: sidecars send without TLS, to a receiver on this machine
 */
export function withTelemetry(model: MeshModel, target: TelemetryTarget | undefined): MeshModel {
  if (target === undefined) return model;
  const { endpoint, sampleRatio } = target;
  const base = URL.parse(endpoint.endsWith('/') ? endpoint : `${endpoint}/`);
  if (base?.protocol !== 'http:') {
    throw new SallyportError('CONFIG_INVALID', {
      message: `"${endpoint.slice(0, 200)}" is no OTLP endpoint`,
      hint: 'name an OTLP/HTTP receiver on this machine, for example http://127.0.0.1:4318',
    });
  }
  return {
    ...model,
    telemetry: {
      ...model.telemetry,
      endpoint: new URL('v1/traces', base).href,
      ...(sampleRatio !== undefined && { sampling_percent: sampleRatio * 100 }),
    },
  };
}
