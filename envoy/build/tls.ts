import { meshTls, publicTls, type TlsFolder } from '#compose/topology/paths.ts';
import { type Extension, extension, type JsonObject, named, type Secret } from '../model/json.ts';
import { fileSource } from './config-source.ts';
import type { BuildContext } from './context.ts';

const tlsPackage = 'envoy.extensions.transport_sockets.tls.v3';
const meshCert = 'mesh-cert';
const publicCert = 'public-cert';

/** Whom a certificate must name: one identity, or any that begins so. */
export type PeerIdentity = { readonly exact: string } | { readonly prefix: string };

/**
 * The secrets a pod's sidecar reads. They name files; what these hold takes their place when the configuration
 * is written (write/inline-files.ts), so one rename replaces key and certificate together.
 */
export function secrets({ topology, pod }: BuildContext): Secret[] {
  return [
    certificate(meshCert, meshTls(topology, pod.name)),
    ...(pod.role === 'edge' ? [certificate(publicCert, publicTls(topology, pod.name))] : []),
  ];
}

const certificate = (name: string, files: TlsFolder): Secret =>
  named(`${tlsPackage}.Secret`, name, {
    tls_certificate: {
      certificate_chain: { filename: files.cert },
      private_key: { filename: files.key },
    },
  });

const sds = (ctx: BuildContext, name: string): JsonObject => ({
  name,
  sds_config: fileSource(ctx, 'sds', name),
});

// Envoy's upstream default is TLS 1.2 at most; both ends of the mesh are ours, so nothing but 1.3.
const meshParams = ({ model }: BuildContext): JsonObject => ({
  tls_minimum_protocol_version: 'TLSv1_3',
  tls_maximum_protocol_version: 'TLSv1_3',
  ecdh_curves: model.tls.ecdh_curves,
});

const meshContext = (ctx: BuildContext, peer: PeerIdentity, alpn: readonly string[]): JsonObject => ({
  ...(alpn.length > 0 ? { alpn_protocols: alpn } : {}),
  tls_params: meshParams(ctx),
  tls_certificate_sds_secret_configs: [sds(ctx, meshCert)],
  validation_context: {
    trusted_ca: { filename: meshTls(ctx.topology, ctx.pod.name).ca },
    match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { ...peer } }],
  },
});

/** Mutual TLS for a listener: any identity of this mesh may connect; RBAC says what it may do. */
export const meshServerTls = (ctx: BuildContext, alpn: readonly string[]): Extension =>
  extension('envoy.transport_sockets.tls', `${tlsPackage}.DownstreamTlsContext`, {
    require_client_certificate: true,
    common_tls_context: meshContext(ctx, { prefix: `spiffe://${ctx.topology.trustDomain}/` }, alpn),
  });

/** Mutual TLS for a cluster: the peer must be who we mean to talk to. */
export const meshClientTls = (ctx: BuildContext, peer: PeerIdentity, alpn: readonly string[]): Extension =>
  extension('envoy.transport_sockets.tls', `${tlsPackage}.UpstreamTlsContext`, {
    sni: ctx.topology.trustDomain,
    common_tls_context: meshContext(ctx, peer, alpn),
  });

/** TLS for phones, over TCP. */
export const publicServerTls = (ctx: BuildContext): Extension =>
  extension(
    'envoy.transport_sockets.tls',
    `${tlsPackage}.DownstreamTlsContext`,
    publicContext(ctx, ['h2', 'http/1.1']),
  );

/** TLS for phones, inside QUIC. */
export const publicQuicTls = (ctx: BuildContext): Extension =>
  extension(
    'envoy.transport_sockets.quic',
    'envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport',
    {
      downstream_tls_context: publicContext(ctx, ['h3']),
    },
  );

const publicContext = (ctx: BuildContext, alpn: readonly string[]): JsonObject => ({
  common_tls_context: {
    alpn_protocols: alpn,
    tls_params: {
      tls_minimum_protocol_version: alpn.includes('h3') ? 'TLSv1_3' : ctx.model.edge.tls_minimum,
      tls_maximum_protocol_version: 'TLSv1_3',
      ecdh_curves: ctx.model.tls.ecdh_curves,
    },
    tls_certificate_sds_secret_configs: [sds(ctx, publicCert)],
  },
});
