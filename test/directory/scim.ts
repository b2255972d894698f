/** SCIM 2.0 at a security pod, as an edge passes it on. */
import { type ClientHttp2Session, connect } from 'node:http2';
import { createConnection } from 'node:net';
import { as } from '../security-bench.ts';

export const userSchema = 'urn:ietf:params:scim:schemas:core:2.0:User';
export const groupSchema = 'urn:ietf:params:scim:schemas:core:2.0:Group';
export const patchSchema = 'urn:ietf:params:scim:api:messages:2.0:PatchOp';

export interface ScimAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server sends is what is looked at
  readonly body: any;
}

export interface ScimAsked {
  readonly connectSocket: string;
  readonly bearer: string;
  readonly method: string;
  /** Below /scim/v2. */
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** One request, on a connection of its own. */
export async function askScim(asked: ScimAsked): Promise<ScimAnswer> {
  const { body } = asked;
  const session = connect('http://idp.example', {
    createConnection: () => createConnection(asked.connectSocket),
  });
  session.on('error', () => {});
  try {
    return await answerOf(session, asked, body);
  } finally {
    session.destroy();
  }
}

async function answerOf(
  session: ClientHttp2Session,
  { method, path, bearer, headers: more }: ScimAsked,
  body: unknown,
): Promise<ScimAnswer> {
  const headers = {
    ':method': method,
    ':path': `/scim/v2${path}`,
    authorization: `Bearer ${bearer}`,
    'content-type': 'application/scim+json',
    ...as('edge', 'edge-0', '192.0.2.7'),
    ...more,
  };
  const stream = session.request(headers, { endStream: body === undefined });
  if (body !== undefined) stream.end(typeof body === 'string' ? body : JSON.stringify(body));
  const answered = await new Promise<Record<string, unknown>>((resolve, reject) => {
    stream.once('response', resolve);
    // A pod that is killed ends it without an error.
    stream.once('close', () => reject(new Error('the connection was cut')));
    for (const each of [session, stream]) each.once('error', reject);
  });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return {
    status: Number(answered[':status']),
    headers: answered,
    body: text === '' ? undefined : JSON.parse(text),
  };
}
