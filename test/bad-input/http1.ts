/** HTTP/1.1 as one would write it to smuggle a request past somebody, or to keep an edge busy. */
import assert from 'node:assert/strict';
import type { Answer } from '../edge/answer.ts';
import { type RawOptions, sendRaw } from '../edge/raw-tls.ts';
import { type Case, casesOf, type Expected } from './case.ts';
import type { World } from './world.ts';

type Row = readonly [name: string, expect: Expected, make: Case['make']];

const path = '/sallyport.keystore.v1.KeyStore/GetServerKeys';
const json = 'content-type: application/json\r\n';
const host = 'host: edge\r\n';
const post = (fields: string, body = '', line = `POST ${path} HTTP/1.1`): string =>
  `${line}\r\n${host}${json}${fields}\r\n${body}`;
/** What a smuggler would have the next one think that it is. */
const hidden = post('content-length: 2\r\n', '{}');

async function raw(
  { mesh }: World,
  pieces: readonly string[],
  options?: RawOptions,
  url = mesh.edgeUrls[0] ?? '',
): Promise<Answer & { readonly statuses: readonly number[]; readonly closed: boolean }> {
  const { text, closed } = await sendRaw(url, mesh.publicCa, pieces, options);
  const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
  return {
    statuses,
    closed,
    httpStatus: statuses.at(-1),
    ...{
      code: undefined,
      reason: undefined,
      metadata: {},
      retryAfterMs: undefined,
      messages: [],
      headers: {},
    },
    text,
    body: Buffer.from(text, 'latin1'),
  };
}

/** Answered once, with one of the statuses, or cut; and the connection is not used any more. */
const refused = (
  name: string,
  statuses: readonly number[],
  pieces: string | readonly string[],
  options?: RawOptions,
): Row => [
  name,
  () => undefined,
  (world) => async () => {
    // An edge lets its last answer arrive before it closes.
    const answer = await raw(world, [pieces].flat(), { quietMs: 5000, ...options });
    assert.ok(answer.closed, `the connection goes on after ${answer.text.slice(0, 300)}`);
    assert.ok(answer.statuses.length <= 1, answer.text);
    const status = answer.statuses[0];
    assert.ok(status === undefined || statuses.includes(status), answer.text.slice(0, 300));
    return answer;
  },
];

/** Envoy takes these for a request, for one and no other: what follows is the next one. */
const harmless = (name: string, piece: string): Row => [
  name,
  () => undefined,
  (world) => async () => {
    const answer = await raw(world, [piece, hidden]);
    assert.deepEqual(answer.statuses, [200, 200], answer.text);
    return answer;
  },
];

const shapes: readonly Row[] = [
  [
    'a good one is answered, and the next on the same connection too',
    () => undefined,
    (world) => async () => {
      const answer = await raw(world, [hidden, hidden]);
      assert.deepEqual(answer.statuses, [200, 200]);
      return answer;
    },
  ],
  harmless('a folded header', post('x: a\r\n b\r\ncontent-length: 2\r\n', '{}')),
  harmless('a bare CR in a header', post('x: a\rb\r\ncontent-length: 2\r\n', '{}')),
  // No route and no pod looks at the host.
  harmless('two hosts', post('host: other\r\ncontent-length: 2\r\n', '{}')),
  refused('two lengths', [400], post('content-length: 2\r\ncontent-length: 3\r\n', `{}${hidden}`)),
  refused('a list of lengths', [400], post('content-length: 2, 2\r\n', `{}${hidden}`)),
  refused('a negative length', [400], post('content-length: -2\r\n', '{}')),
  refused('a length that is no number', [400], post('content-length: 2x\r\n', '{}')),
  refused(
    'chunks and a length',
    [400],
    post(`content-length: ${5 + hidden.length}\r\ntransfer-encoding: chunked\r\n`, `0\r\n\r\n${hidden}`),
  ),
  refused('an unknown transfer coding', [400, 501], post('transfer-encoding: xchunked\r\n', `{}${hidden}`)),
  refused(
    'chunked, and not as the last coding',
    [400, 501],
    post('transfer-encoding: chunked, gzip\r\n', '0\r\n\r\n'),
  ),
  refused('chunked twice', [400, 501], post('transfer-encoding: chunked, chunked\r\n', '0\r\n\r\n')),
  refused('a chunk of no size', [400], post('transfer-encoding: chunked\r\n', `zz\r\n{}\r\n${hidden}`)),
  refused('a chunk of 2^64 bytes', [400], post('transfer-encoding: chunked\r\n', '10000000000000000\r\n{}')),
  refused('a blank before the colon', [400], post('content-length : 2\r\n', '{}')),
  refused('a NUL in a header', [400], post('x: a\0b\r\ncontent-length: 2\r\n', '{}')),
  refused('a header without a colon', [400], post('x\r\ncontent-length: 2\r\n', '{}')),
  refused('an underscore in a name', [400], post('content_length: 2\r\ncontent-length: 2\r\n', '{}')),
  refused('no host', [400], `POST ${path} HTTP/1.1\r\n${json}content-length: 2\r\n\r\n{}`),
  refused('HTTP/1.0', [426, 400], post('content-length: 2\r\n', '{}', `POST ${path} HTTP/1.0`)),
  refused('HTTP/9.9', [400, 426, 505], post('content-length: 2\r\n', '{}', `POST ${path} HTTP/9.9`)),
  refused('no HTTP at all', [400], 'hello, who is there?\r\n\r\n'),
  refused('a tunnel', [400, 404, 405], 'CONNECT sec-0:443 HTTP/1.1\r\nhost: sec-0:443\r\n\r\n'),
  refused('17 KiB of headers', [431], post(`x: ${'v'.repeat(17 * 1024)}\r\ncontent-length: 2\r\n`, '{}')),
  refused(
    '65 headers',
    [431],
    post(`${Array.from({ length: 65 }, (_, n) => `x-${n}: 1\r\n`).join('')}content-length: 2\r\n`, '{}'),
  ),
  refused('a line without an end', [400, 431], `GET /${'a'.repeat(100_000)}`),
  refused(
    'headers that come a letter at a time',
    [408],
    [...`POST ${path} HTTP/1.1\r\n${host}${'x: 1\r\n'.repeat(20)}`],
    { everyMs: 100 },
  ),
  refused('silence after half a line', [408], 'POST /sally'),
  refused('HTTP/2 that is none', [], 'GET / HTTP/1.1\r\n\r\n', { alpn: ['h2'] }),
  refused(
    'HTTP/2 with a bad first frame',
    [],
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff',
    {
      alpn: ['h2'],
    },
  ),
];

/** Whoever has no certificate of the mesh is not even answered, whatever port it has found. */
const pods: readonly Row[] = ['sec-0', 'proxy-0', 'intranet-0', 'db-0'].map(
  (name): Row => [
    `${name} past the edges, without a certificate`,
    () => undefined,
    (world) => {
      const pod = world.mesh.pods.find((each) => each.name === name);
      assert.ok(pod);
      const ports = Object.entries(pod.ports).filter(([of]) => of !== 'group');
      assert.ok(ports.length > 0);
      return async () => {
        let last: Answer | undefined;
        for (const [, port] of ports) {
          const answer = await raw(world, [hidden], { anyServer: true }, `https://${pod.address}:${port}`);
          assert.deepEqual([answer.text, answer.closed], ['', true]);
          last = answer;
        }
        return last ?? assert.fail();
      };
    },
  ],
);

export const http1: readonly Case[] = casesOf([...shapes, ...pods]);
