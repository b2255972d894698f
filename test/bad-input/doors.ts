/** Ways in that are none: methods that are not for phones, headers of the inside, other encodings. */
import assert from 'node:assert/strict';
import { toBinary } from '@bufbuild/protobuf';
import { OpenSessionRequestSchema } from '#gen/sallyport/session/v1/session_pb.js';
import { type CallOptions, framed } from '../edge/edge-caller.ts';
import { keyStore, routed, sessionService } from '../edge/hand-device.ts';
import { relay } from '../edge/hand-session.ts';
import { type Case, casesOf, type Expected } from './case.ts';

type Row = readonly [name: string, expect: Expected, make: Case['make']];

/** Not for phones; for people only where the mesh says so (`edge.admin_api`), which is not the default. */
const inner = [
  ...['LeaseSessionKey', 'CreateActivation', 'ListSharedKeys', 'RotateSharedKey', 'RevokeSharedKey'].map(
    (method) => `${keyStore}/${method}`,
  ),
  ...['RotateRootKey', 'GetRootKeyStatus'].map((method) => `${keyStore}/${method}`),
  ...['ListSessions', 'RevokeSessions'].map((method) => `${sessionService}/${method}`),
  ...['Authorize', 'AuthorizeStream', 'Watch'].map((m) => `/sallyport.authorize.v1.ProxyAuthorize/${m}`),
  ...['HandOver', 'PushRevocation', 'PushSessions'].map((m) => `/sallyport.peer.v1.PeerService/${m}`),
  ...['ListUsers', 'GetUser', 'CreateUser', 'UpdateUser', 'SetPassword', 'DeleteUser'].map(
    (method) => `/sallyport.directory.v1.Directory/${method}`,
  ),
  ...['GetPolicy', 'ApplyPolicy', 'ListVersions', 'Explain'].map((m) => `/sallyport.policy.v1.Policy/${m}`),
  ...['BeginUpload', 'PutChunk', 'CommitUpload', 'ReadChunk', 'ListReleases', 'ListChannels'].map(
    (m) => `/sallyport.catalog.v1.AppCatalog/${m}`,
  ),
  ...['SetRollout', 'HaltRollout', 'RollBack', 'SetVersions', 'RemoveRelease', 'RotateKeys'].map(
    (m) => `/sallyport.catalog.v1.AppCatalog/${m}`,
  ),
  ...['OpenTarget', 'ReadPiece'].map((m) => `/sallyport.catalog.v1.CatalogStore/${m}`),
  '/envoy.service.auth.v3.Authorization/Check',
  '/grpc.health.v1.Health/Check',
  '/grpc.health.v1.Health/Watch',
  '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo',
];
const unknown = [
  '/',
  '/index.html',
  '/metrics',
  '/stats',
  '/sallyport.session.v1.SessionService',
  '/sallyport.session.v1.SessionService/',
  '/sallyport.session.v1.SessionService/Nothing',
  '/sallyport.session.v1.SessionService/Enroll/',
  '/sallyport.session.v1.SessionService/enroll',
  '/sallyport.session.v2.SessionService/Enroll',
  '/sallyport.relay.v1.Relay/Exchange;x=1',
  '/x/../sallyport.keystore.v1.KeyStore/CreateActivation',
  '/%73allyport.keystore.v1.KeyStore/CreateActivation',
];
const inJson = { headers: { 'content-type': 'application/json' } };
/** Neither tells of anything inside. */
const nowhere: Expected = { code: 'UNIMPLEMENTED' };

const paths: readonly Row[] = [
  ...[...inner, ...unknown].flatMap((path): Row[] => [
    [
      `${path} by gRPC`,
      nowhere,
      ({ caller }) =>
        () =>
          caller.call(path, new Uint8Array()),
    ],
    [
      `${path} by Connect`,
      nowhere,
      ({ caller }) =>
        () =>
          caller.send(path, [Buffer.from('{}')], inJson),
    ],
  ]),
  ...['/sallyport.keystore.v1.KeyStore%2fCreateActivation', '/x%5c..%5csallyport.keystore.v1.KeyStore'].map(
    (path): Row => [
      `${path}, with an encoded slash`,
      { http: 400 },
      ({ caller }) =>
        () =>
          caller.send(path, [Buffer.from('{}')], inJson),
    ],
  ),
  ...['GET', 'PUT', 'DELETE', 'TRACE', 'OPTIONS'].map(
    (method): Row => [
      `OpenSession by ${method}`,
      ({ code, httpStatus }) => assert.ok(code !== 'OK' && httpStatus !== 200, `${httpStatus}`),
      ({ caller }) =>
        () =>
          caller.send(`${sessionService}/OpenSession`, [], { ...inJson, method }),
    ],
  ),
];

const operator = 'URI=spiffe://sallyport.internal/operator/root';
const lies: Readonly<Record<string, string>> = {
  'x-forwarded-client-cert': operator,
  'x-sallyport-pod': 'sec-1',
  'x-sallyport-authority': 'evil.example',
  'x-sallyport-client-address': '10.9.9.9',
  'x-sallyport-unprocessed': '1',
  'x-envoy-original-path': `${keyStore}/CreateActivation`,
  'x-envoy-internal': 'true',
  'x-envoy-retry-on': '5xx',
  'x-envoy-upstream-rq-timeout-ms': '1',
};

const headers: readonly Row[] = [
  [
    'an operator by word of mouth: GetSession of any session',
    'TOKEN_INVALID',
    ({ caller, session }) => {
      const bytes = Buffer.from(JSON.stringify({ sessionId: session.id }));
      return () =>
        caller.send(`${sessionService}/GetSession`, [bytes], {
          headers: { ...inJson.headers, ...lies, ...routed(session.routeKey).headers },
        });
    },
  ],
  [
    'GetSession of any session, by a person who administers nothing',
    'CALLER_NOT_ALLOWED',
    async (world) => {
      const { caller, credentials, session } = world;
      const answer = await caller.send(
        `${sessionService}/Login`,
        [Buffer.from(JSON.stringify(credentials))],
        inJson,
      );
      const { token, routeKey } = JSON.parse(answer.body.toString()) as { token: string; routeKey: string };
      await world.stored({ deviceId: '' });
      const headers = { ...inJson.headers, ...routed(routeKey).headers, authorization: `Bearer ${token}` };
      const bytes = Buffer.from(JSON.stringify({ sessionId: session.id }));
      return () => caller.send(`${sessionService}/GetSession`, [bytes], { headers });
    },
  ],
  ...Object.entries(lies).map(
    ([name, value]): Row => [
      `${name} from outside changes nothing`,
      ({ code, reason }) => assert.deepEqual([code, reason], ['UNAUTHENTICATED', 'UNSEALABLE']),
      async (world) => {
        const { request } = await world.device.opening({}, { sharedKey: new Uint8Array(32).fill(1) });
        const bytes = toBinary(OpenSessionRequestSchema, request);
        const right = routed(world.device.routeKey).headers;
        const send = (more: Readonly<Record<string, string>>) =>
          world.caller.call(`${sessionService}/OpenSession`, bytes, { headers: { ...right, ...more } });
        return async () => {
          const [plain, lied] = [await send({}), await send({ [name]: value })];
          assert.equal(lied.metadata.pod, plain.metadata.pod);
          return lied;
        };
      },
    ],
  ),
  ...['', 'garbage', 'Bearer', 'Bearer x.y.z', 'Basic YW5uYTp4'].map(
    (authorization): Row => [
      `GetSession by the token ${JSON.stringify(authorization)}`,
      'TOKEN_INVALID',
      ({ caller }) =>
        () =>
          caller.send(`${sessionService}/GetSession`, [Buffer.from('{}')], {
            headers: { ...inJson.headers, authorization },
          }),
    ],
  ),
  [
    "Logout by a device's session id",
    'TOKEN_INVALID',
    ({ caller, session }) =>
      () =>
        caller.send(`${sessionService}/Logout`, [Buffer.from('{}')], {
          headers: { ...inJson.headers, authorization: `Bearer ${session.id}` },
        }),
  ],
  [
    'Login with a wrong password',
    'CREDENTIALS_INVALID',
    ({ caller }) =>
      () =>
        caller.send(`${sessionService}/Login`, [Buffer.from('{"user":"anna","password":"wrong"}')], inJson),
  ],
  [
    'Login of nobody',
    'CREDENTIALS_INVALID',
    ({ caller }) =>
      () =>
        caller.send(`${sessionService}/Login`, [Buffer.from('{"user":"nobody","password":"wrong"}')], inJson),
  ],
];

const type = (contentType: string): CallOptions => ({ headers: { 'content-type': contentType } });
const secret = 'hunter2-in-the-wrong-place';

/** Texts that are no message, in JSON. What the caller has sent is not told back: it may be a password. */
const texts: readonly string[] = [
  '',
  '{',
  'null',
  '[]',
  '"x"',
  '{"user":',
  `{"user":"anna","password":${secret}}`,
  `{"user":"anna","password":{"a":"${secret}"}}`,
  `{"user":["${secret}"]}`,
  '{"unknown":1}',
  '{"user":"a","user":"b"}',
  '[['.repeat(5000),
  '{"user":"\\ud800"}',
];

const encodings: readonly Row[] = [
  ...texts.map(
    (text): Row => [
      `Connect: Login with ${JSON.stringify(text.slice(0, 30))}`,
      ({ code, reason, body, metadata }) => {
        assert.equal(code, 'INVALID_ARGUMENT', body.toString());
        assert.ok(reason === 'MALFORMED' || reason === 'INVALID_FIELD', reason);
        assert.ok(metadata.hint);
        assert.ok(!body.includes('hunter2'), body.toString());
      },
      ({ caller }) =>
        () =>
          caller.send(`${sessionService}/Login`, [Buffer.from(text)], inJson),
    ],
  ),
  [
    'Connect: binary that is none',
    'MALFORMED',
    ({ caller }) =>
      () =>
        caller.send(`${sessionService}/OpenSession`, [Uint8Array.of(255, 255)], type('application/proto')),
  ],
  [
    'Connect: more than the edge lets in',
    { code: 'RESOURCE_EXHAUSTED' },
    ({ caller }) =>
      () =>
        caller.send(`${sessionService}/Enroll`, [Buffer.alloc(5 * 2 ** 20, 32)], inJson),
  ],
  ...['text/plain', 'application/xml', 'application/x-www-form-urlencoded'].map(
    (each): Row => [
      `OpenSession as ${each}`,
      { http: 415 },
      ({ caller }) =>
        () =>
          caller.send(`${sessionService}/OpenSession`, [Buffer.from('{}')], type(each)),
    ],
  ),
  [
    'Exchange in JSON',
    { http: 415 },
    ({ caller }) =>
      () =>
        caller.send(`${relay}/Exchange`, [Buffer.from('{}')], inJson),
  ],
  ...[`${sessionService}/Enroll`, `${relay}/Attach`].map(
    (path): Row => [
      `gRPC-Web: no protobuf for ${path}`,
      'MALFORMED',
      ({ caller }) =>
        () =>
          caller.send(path, [framed(Uint8Array.of(255, 255))], type('application/grpc-web+proto')),
    ],
  ),
  ...['application/grpc-web+proto', 'application/grpc-web-text', 'application/grpc'].flatMap((each) =>
    [`${sessionService}/Enroll`, `${relay}/Attach`].map(
      (path): Row => [
        `${path} as ${each}: bytes that are no frame`,
        ({ code, httpStatus }) =>
          assert.ok(code !== 'OK' && (httpStatus !== 200 || code !== undefined), `${httpStatus} ${code}`),
        ({ caller }) =>
          () =>
            caller.send(path, [Buffer.from('&&&& this is no base64, and no frame &&&&')], type(each)),
      ],
    ),
  ),
  [
    'gRPC: more than the edge lets in, which the pod may be the first to say',
    ({ code }) => assert.equal(code, 'RESOURCE_EXHAUSTED'),
    ({ caller }) =>
      () =>
        caller.call(`${sessionService}/Enroll`, new Uint8Array(5 * 2 ** 20)),
  ],
];

export const doors: readonly Case[] = casesOf([...paths, ...headers, ...encodings]);
