import type { DescService } from '@bufbuild/protobuf';
import { Client } from '@grpc/grpc-js';
import { credentialsOf } from './client-tls.ts';
import { methodOf } from './grpc-client-methods.ts';
import type { GrpcClient, GrpcClientOptions } from './grpc-client-types.ts';
import { noObserver } from './observer.ts';

export type {
  CallOptions,
  ClientMethod,
  GrpcClient,
  GrpcClientOptions,
  Requests,
  Responses,
} from './grpc-client-types.ts';

/**
 * A typed client on grpc-js. Clients with the same address and options share a connection. Errors of every
 * call are SallyportErrors with the reason that the server gave. Nothing is repeated here: Envoy does that.
 * While the sidecar is away, calls that have a deadline wait for it until then.
 */
export function createGrpcClient<S extends DescService>(
  service: S,
  options: GrpcClientOptions,
): GrpcClient<S> {
  const client = new Client(options.address, credentialsOf(options.tls), {
    'grpc.max_receive_message_length': options.maxResponseBytes ?? 4 * 2 ** 20,
    'grpc.max_send_message_length': -1,
    'grpc.keepalive_time_ms': options.keepaliveMs ?? 10_000,
    'grpc.keepalive_timeout_ms': 5000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    'grpc-node.flow_control_window': options.windowBytes ?? 256 * 1024,
    // A sidecar is reached directly, configured by us alone, and does the retries.
    'grpc.enable_http_proxy': 0,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    // Pods are called by address, which TLS does not take for a name (RFC 6066 section 3).
    ...(options.tls && { 'grpc.ssl_target_name_override': 'sallyport.internal' }),
  });
  const context = { client, options, observer: options.observer ?? noObserver };
  const methods = service.methods.map((method) => [method.localName, methodOf(method, context)] as const);
  return Object.assign(Object.fromEntries(methods), { close: () => client.close() }) as GrpcClient<S>;
}
