import { utf8 } from '../core/channel/bytes.ts';
import { oidcNonce } from '../core/channel/oidc-nonce.ts';
import { SallyportError } from '../core/errors/error.ts';
import { encodeBase64url } from '../core/ids/base64url.ts';
import { defaultPlatform, type Platform } from './platform.ts';

/** An OpenID provider as its discovery document describes it, and the app as it is known there. */
export interface OidcClient {
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  /** Of a public client: there is no secret. */
  readonly clientId: string;
  /** Of the app: a claimed https link, or a scheme of its own (RFC 8252, section 7). */
  readonly redirectUri: string;
}

/** What the device keeps while its user is at the provider. Secret; plain data. */
export interface OidcAttempt {
  /** To be opened in the system's browser, never in a view of the app's own. */
  readonly url: string;
  readonly state: string;
  readonly verifier: string;
  readonly secret: Uint8Array;
}

/** What `Device.open` and `Session.stepUp` take. Secret. */
export interface OpenIdCredential {
  readonly idToken: string;
  readonly secret: Uint8Array;
}

/**
 * Begins the authorisation code flow with PKCE (RFC 7636, S256). The token that comes of it is good for this
 * enrolment only.
 * @param options what else to ask for, such as `acr_values`, `login_hint` or `prompt`
 */
export function beginOidc(
  client: OidcClient,
  routeKey: string,
  options: Readonly<Record<string, string>> = {},
  { crypto }: Pick<Platform, 'crypto'> = defaultPlatform,
): OidcAttempt {
  const random = (): string => encodeBase64url(crypto.randomBytes(32));
  const [state, verifier, secret] = [random(), random(), crypto.randomBytes(32)];
  const url = new URL(client.authorizationEndpoint);
  const parameters = {
    ...{ scope: 'openid profile', ...options },
    ...{ response_type: 'code', client_id: client.clientId, redirect_uri: client.redirectUri },
    ...{ state, nonce: oidcNonce(crypto, routeKey, secret) },
    code_challenge: encodeBase64url(crypto.sha256(utf8(verifier))),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, state, verifier, secret };
}

/**
 * Gets the token for the code that has come back.
 * @param callback the URL with which the app was opened again
 * @throws CREDENTIALS_INVALID when the user or the provider has said no; UNAVAILABLE when it cannot be reached
 */
export async function completeOidc(
  client: OidcClient,
  attempt: OidcAttempt,
  callback: string,
  options: { readonly fetch?: typeof fetch; readonly signal?: AbortSignal } = {},
): Promise<OpenIdCredential> {
  const answer = new URL(callback).searchParams;
  const code = answer.get('code');
  if (answer.get('state') !== attempt.state || code === null) {
    throw new SallyportError('CREDENTIALS_INVALID', {
      message: `the provider gave no code: ${answer.get('error') ?? 'the answer belongs to another attempt'}`,
    });
  }
  const body = new URLSearchParams({
    ...{ grant_type: 'authorization_code', code, code_verifier: attempt.verifier },
    ...{ client_id: client.clientId, redirect_uri: client.redirectUri },
  });
  const request = { method: 'POST', body, ...(options.signal && { signal: options.signal }) };
  let token: { readonly id_token?: unknown; readonly error?: unknown };
  try {
    const response = await (options.fetch ?? fetch)(client.tokenEndpoint, request);
    token = (await response.json()) as typeof token;
  } catch (cause) {
    throw new SallyportError('UNAVAILABLE', { message: 'the OpenID provider does not answer', cause });
  }
  if (typeof token.id_token === 'string') return { idToken: token.id_token, secret: attempt.secret };
  throw new SallyportError('CREDENTIALS_INVALID', {
    message: `the provider gave no token: ${String(token.error ?? 'without saying why')}`,
  });
}
