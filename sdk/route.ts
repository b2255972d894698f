import { traceHeader } from './trace.ts';

/** Every call carries it: edges and sidecars hash it onto the pod that owns the device's session. */
export function routeHeaders(routeKey: string, traceparent?: string): Record<string, string> {
  return {
    'x-sallyport-route': routeKey,
    ...(traceparent !== undefined && { [traceHeader]: traceparent }),
  };
}
