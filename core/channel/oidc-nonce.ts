import { encodeBase64url } from '../ids/base64url.ts';
import { labelled, utf8 } from './bytes.ts';
import { labels } from './constants.ts';
import type { ChannelCrypto } from './crypto.ts';

/**
 * The `nonce` with which a device asks an OpenID provider for a token: the token is then good for this enrolment
 * only, and only with the secret, 32 random bytes that the device keeps until it opens its session.
 */
export const oidcNonce = (
  crypto: Pick<ChannelCrypto, 'sha256'>,
  routeKey: string,
  secret: Uint8Array,
): string => encodeBase64url(crypto.sha256(labelled(labels.oidcNonce, utf8(routeKey), secret)));
