/** The npm oidc-provider on the loopback interface, with users who say who they are as soon as they are asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';
import type { OidcClient } from '#sdk/oidc.ts';

export interface OpenIdProvider {
  readonly issuer: string;
  /** An app, and the tools of people, which may come back at any port of this machine. */
  readonly client: OidcClient;
  readonly tools: OidcClient;
  /** As a browser goes through it: the URL with which the app is opened again. */
  browse(url: string, who: Who): Promise<string>;
  /** An ID token of its own that says something else. */
  resign(idToken: string, claims: JWTPayload): Promise<string>;
  close(): Promise<void>;
}

export interface Who {
  readonly user: string;
  /** How it was proved there, as the provider will say. */
  readonly amr?: readonly string[];
  /** The user says no. */
  readonly refuses?: boolean;
}

const app = { clientId: 'field', redirectUri: 'com.example.field:/callback' };
const people = { clientId: 'people', redirectUri: 'http://127.0.0.1:8400/callback' };

export async function openIdProvider(): Promise<OpenIdProvider> {
  let serve: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;
  const server = createServer((request, response) => serve?.(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const header = { alg: 'RS256', kid: 'the-one' };
  const registered = ({ clientId, redirectUri }: typeof app) => ({
    ...{
      client_id: clientId,
      application_type: 'native' as const,
      token_endpoint_auth_method: 'none' as const,
    },
    ...{ redirect_uris: [redirectUri], grant_types: ['authorization_code'] },
    response_types: ['code' as const],
  });
  const provider = new Provider(issuer, {
    jwks: { keys: [{ ...(await exportJWK(privateKey)), ...header, use: 'sig' }] },
    clients: [app, { ...people, redirectUri: 'http://127.0.0.1/callback' }].map(registered),
    pkce: { required: () => true },
    conformIdTokenClaims: false,
    claims: { openid: ['sub', 'preferred_username', 'amr'], profile: [] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, { uid }) => `/who/${uid}` },
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, preferred_username: sub }) }),
  });
  const handle = provider.callback();
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { params, grantId } = await provider.interactionDetails(request, response);
    const who = JSON.parse(String(request.headers['x-who'])) as Who;
    if (who.refuses) {
      return provider.interactionFinished(request, response, { error: 'access_denied' });
    }
    const known = grantId === undefined ? undefined : await provider.Grant.find(grantId);
    const grant = known ?? new provider.Grant({ accountId: who.user, clientId: String(params.client_id) });
    grant.addOIDCScope('openid profile');
    await provider.interactionFinished(request, response, {
      login: { accountId: who.user, ...(who.amr && { amr: [...who.amr] }) },
      consent: { grantId: await grant.save() },
    });
  };
  serve = (request, response) => {
    if (!request.url?.startsWith('/who/')) return void handle(request, response);
    answer(request, response).catch((error: unknown) => {
      response.writeHead(500).end(String(error));
    });
  };
  const endpoints = { authorizationEndpoint: `${issuer}/auth`, tokenEndpoint: `${issuer}/token` };
  return {
    issuer,
    client: { ...endpoints, ...app },
    tools: { ...endpoints, ...people },
    resign: (idToken, claims) =>
      new SignJWT({ ...decodeJwt(idToken), ...claims }).setProtectedHeader(header).sign(privateKey),
    browse: async (url, who) => {
      const cookies = new Map<string, string>();
      let at = url;
      for (let steps = 0; steps < 10; steps++) {
        if (new URL(at).origin !== issuer) return at;
        const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
        const headers = { cookie, 'x-who': JSON.stringify(who) };
        const response = await fetch(at, { headers, redirect: 'manual' });
        for (const line of response.headers.getSetCookie()) {
          const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=');
          cookies.set(name, value);
        }
        const to = response.headers.get('location');
        if (to === null) throw new Error(`${at} answers ${response.status}: ${await response.text()}`);
        at = new URL(to, at).href;
      }
      throw new Error('the provider leads nowhere');
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
