import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { ChannelCredentials } from '@grpc/grpc-js';
import { type CallerRole, callerOfUri } from './caller.ts';

/** Mutual TLS straight to a sidecar's ingress; for the operator's tools, which have no sidecar. */
export interface ClientTls {
  /** PEM: own chain, own key, roots of the mesh. */
  readonly cert: Uint8Array;
  readonly key: Uint8Array;
  readonly ca: Uint8Array;
  /** The role that the server's identity must name; its host name says nothing in this mesh. */
  readonly serverRole: CallerRole;
}

export function credentialsOf(tls: ClientTls | undefined): ChannelCredentials {
  if (!tls) return ChannelCredentials.createInsecure();
  const { ca, key, cert, serverRole } = tls;
  return ChannelCredentials.createSsl(Buffer.from(ca), Buffer.from(key), Buffer.from(cert), {
    checkServerIdentity: (_host, peer) => identityError(peer, serverRole),
  });
}

/** The same for Node's own TLS. */
export const nodeTls = ({ ca, key, cert, serverRole }: ClientTls): ConnectionOptions => ({
  ca: Buffer.from(ca),
  key: Buffer.from(key),
  cert: Buffer.from(cert),
  checkServerIdentity: (_host, peer) => identityError(peer, serverRole),
  // Pods are called by address, which TLS does not take for a name (RFC 6066 section 3).
  servername: 'sallyport.internal',
});

/** Node takes an error, returned, as the refusal. The chain itself was verified before. */
function identityError({ subjectaltname }: PeerCertificate, role: CallerRole): Error | undefined {
  const uris = (subjectaltname ?? '').split(', ').filter((name) => name.startsWith('URI:'));
  const found = uris.length === 1 ? callerOfUri(uris.join('').slice('URI:'.length)).role : 'unknown';
  return found === role
    ? undefined
    : new Error(`the server's certificate is not of role ${role} (${uris.join(', ')})`);
}
