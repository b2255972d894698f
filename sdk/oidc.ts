import { utf8 } from '../core/channel/bytes.ts';
import { oidcNonce } from '../core/channel/oidc-nonce.ts';
import { isProviderUrl } from '../core/channel/provider-url.ts';
import { SallyportError } from '../core/errors/error.ts';
import { encodeBase64url } from '../core/ids/base64url.ts';
import { defaultPlatform, type Platform } from './platform.ts';

/** An OpenID provider as its discovery document describes it, and the app as it is known there. */
export interface OidcClient {
  readonly authorizationEndpoint: string;
  readonly tokenEndpoint: string;
  /** Given, an answer that names another one is refused: whoever is sent to several providers gives it (RFC 9207). */
  readonly issuer?: string;
  /** Its answers always name it. */
  readonly namesItself?: boolean;
  /** Of a public client: there is no secret. */
  readonly clientId: string;
  /** Of the app: a claimed https link, or a scheme of its own (RFC 8252, section 7). */
  readonly redirectUri: string;
}

/** Milliseconds for a provider to answer. */
const askMs = 15_000;

export interface AskOptions {
  readonly fetch?: typeof fetch;
  readonly signal?: AbortSignal;
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
 * Reads an issuer's discovery document.
 * @throws UNAVAILABLE when it cannot be had, or says what cannot be
 */
export async function discoverOidc(
  issuer: string,
  options: AskOptions = {},
): Promise<Omit<OidcClient, 'clientId' | 'redirectUri'>> {
  const wrong = (why: string): never => {
    throw new SallyportError('UNAVAILABLE', { message: `the OpenID provider ${issuer} ${why}` });
  };
  if (!isProviderUrl(issuer)) wrong('is not reached by https');
  const found = await ask(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, {}, options);
  const endpoint = (name: string): string => {
    const value = found[name];
    return typeof value === 'string' && isProviderUrl(value) ? value : wrong(`names no ${name}`);
  };
  if (found.issuer !== issuer) wrong(`says that it is ${String(found.issuer)}`);
  return {
    ...{ issuer, namesItself: found.authorization_response_iss_parameter_supported === true },
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
  };
}

/**
 * Begins the authorisation code flow with PKCE (RFC 7636, S256). The token that comes of it is good for this
 * enrolment, or person by this route key, only.
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
  options: AskOptions = {},
): Promise<OpenIdCredential> {
  const answer = new URL(callback).searchParams;
  const code = answer.get('code');
  const { issuer } = client;
  const from = answer.get('iss') ?? (client.namesItself ? undefined : issuer);
  if (issuer !== undefined && from !== issuer) {
    throw new SallyportError('CREDENTIALS_INVALID', { message: 'the answer is of another OpenID provider' });
  }
  if (answer.get('state') !== attempt.state || code === null) {
    throw new SallyportError('CREDENTIALS_INVALID', {
      message: `the provider gave no code: ${answer.get('error') ?? 'the answer belongs to another attempt'}`,
    });
  }
  const body = new URLSearchParams({
    ...{ grant_type: 'authorization_code', code, code_verifier: attempt.verifier },
    ...{ client_id: client.clientId, redirect_uri: client.redirectUri },
  });
  const token = await ask(client.tokenEndpoint, { method: 'POST', body }, options);
  if (typeof token.id_token === 'string') return { idToken: token.id_token, secret: attempt.secret };
  throw new SallyportError('CREDENTIALS_INVALID', {
    message: `the provider gave no token: ${String(token.error ?? 'without saying why')}`,
  });
}

/** @throws UNAVAILABLE; the signal's reason */
async function ask(
  url: string,
  init: RequestInit,
  { fetch: send = fetch, signal }: AskOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const late = AbortSignal.timeout(askMs);
  try {
    const bound = signal ? AbortSignal.any([signal, late]) : late;
    const response = await send(url, { ...init, redirect: 'error', signal: bound });
    return Object(await response.json());
  } catch (cause) {
    signal?.throwIfAborted();
    throw new SallyportError('UNAVAILABLE', {
      message: `the OpenID provider does not answer: ${new URL(url).origin}`,
      hint: 'is it reached from here, and is its certificate trusted? Try again, or log in another way',
      cause,
    });
  }
}
