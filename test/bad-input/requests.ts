/** Requests inside the channel that no backend is to see, or not as they were meant. */
import assert from 'node:assert/strict';
import { create, toBinary } from '@bufbuild/protobuf';
import type { ErrorReason } from '#core/errors/registry.ts';
import { ExchangeRequestBodySchema } from '#gen/sallyport/channel/v1/channel_pb.js';
import type { Head } from '../edge/hand-session.ts';
import { type Case, casesOf, type Expected } from './case.ts';
import type { World } from './world.ts';

type Row = readonly [name: string, expect: Expected, make: Case['make']];
type Refused = readonly [name: string, reason: ErrorReason, head: Head, body?: Uint8Array];

const fine: Expected = ({ code }) => assert.equal(code, 'OK');
const field = (name: string, value: string): Head => ({ headers: [{ name, value }] });

/** The answer outside is a good one; the refusal is sealed, and says that no backend was asked. */
const refused = ([name, reason, head, body]: Refused): Row => [
  name,
  fine,
  ({ good }) =>
    async () => {
      const request = good.request(head, body);
      const answer = await good.send(request);
      const { error } = good.inside(request, answer);
      assert.deepEqual([error?.reason, error?.maybeExecuted], [reason, false], error?.message);
      assert.notEqual(error?.hint, '');
      return answer;
    },
];

const badMethods = ['', 'GE T', 'GET\r\nX: y', 'CONNECT', 'TRACE', 'G\0T', 'M'.repeat(33), 'GÉT'];
const badPaths = [
  ...['', 'news', '*', 'http://intranet.example/news', '/a b', '/a\r\nX: y', '/a\0', '/a#b', '/a\\b', '/é'],
  ...['/../payroll', '/x/../payroll', '/./payroll', '/x/./../payroll', '/..', '//payroll', '/x//payroll'],
  ...['/%2e%2e/payroll', '/%2E/payroll', '/x/..%2fpayroll', '/x%2fpayroll', '/x%5c..%5cpayroll'],
  ...[
    '/payroll%00',
    '/%0d%0aX:y',
    '/%252e%252e/payroll',
    '/%c0%afpayroll',
    '/%c0%ae/payroll',
    '/payroll%',
    '/%zz',
  ],
  ...['/..;/payroll', '/x/..;x=1/payroll', `/${'a'.repeat(8192)}`],
];
const deniedPaths = ['/payroll', '/payroll/', '/payroll/x?y=1', '/payroll;x=1', '/%70ayroll', '/pay%72oll'];
const badAuthorities = [
  '',
  'anna@intranet.example',
  'intranet.example/x',
  'a b',
  'a\r\nX: y',
  'intranet.example:x',
  '..',
];
const strangeAuthorities = [
  'evil.example',
  'intranet.example.evil.example',
  'intranet.example:8080',
  '127.0.0.1',
];
const badFields: readonly (readonly [string, string])[] = [
  ['', 'x'],
  ['X-Upper', 'x'],
  ['x y', 'x'],
  ['x:', 'x'],
  [':path', '/payroll'],
  ['x\r\ny', 'x'],
  ['x\0', 'x'],
  ['x', 'a\r\nhost: evil.example'],
  ['x', 'a\nb'],
  ['x', 'a\0b'],
  ['x', 'a€b'],
  ['content-length', '-1'],
  ['content-length', '+3'],
  ['content-length', '3, 3'],
  ['content-length', '0x3'],
  ['content-length', '4'],
  ['content-length', '99999999999999999999'],
];

const shown = (text: string): string =>
  JSON.stringify(text.length > 40 ? `${text.slice(0, 10)}… (${text.length} letters)` : text);

const refusals: readonly Refused[] = [
  ...badMethods.map((method): Refused => [`the method ${shown(method)}`, 'REQUEST_INVALID', { method }]),
  ...badPaths.map((path): Refused => [`the path ${shown(path)}`, 'REQUEST_INVALID', { path }]),
  ...badAuthorities.map(
    (authority): Refused => [`the authority ${shown(authority)}`, 'REQUEST_INVALID', { authority }],
  ),
  ...badFields.map(
    ([name, value]): Refused => [
      `the header ${shown(`${name}: ${value}`)}`,
      'REQUEST_INVALID',
      { method: 'POST', path: '/echo', ...field(name, value) },
      new Uint8Array(3),
    ],
  ),
  [
    'two content-lengths',
    'REQUEST_INVALID',
    {
      method: 'POST',
      path: '/echo',
      headers: ['3', '3'].map((value) => ({ name: 'content-length', value })),
    },
    new Uint8Array(3),
  ],
  [
    'more than 128 headers',
    'REQUEST_INVALID',
    { headers: Array.from({ length: 129 }, (_, n) => ({ name: `x-${n}`, value: '' })) },
  ],
  [
    'headers of more than 48 KiB',
    'REQUEST_INVALID',
    { headers: Array.from({ length: 5 }, (_, n) => ({ name: `x-${n}`, value: 'v'.repeat(10_000) })) },
  ],
  ['a header of more than 16 KiB', 'REQUEST_INVALID', field('x', 'v'.repeat(16_385))],
  ['a body of more than 1 MiB', 'TOO_LARGE', { method: 'POST', path: '/echo' }, new Uint8Array(2 ** 20 + 1)],
  ...strangeAuthorities.map(
    (authority): Refused => [`the host ${shown(authority)}`, 'RESOURCE_UNKNOWN', { authority }],
  ),
  ...deniedPaths.map((path): Refused => [`the denied path ${shown(path)}`, 'POLICY_DENIED', { path }]),
  [
    'the denied path under the host in other letters',
    'POLICY_DENIED',
    { path: '/payroll', authority: 'INTRANET.example.:443' },
  ],
  ['a method that the denied resource has not', 'POLICY_DENIED', { path: '/payroll', method: 'DELETE' }],
];

const garbageInside = (name: string, reason: ErrorReason, plaintext: Uint8Array): Row => [
  name,
  fine,
  ({ good }) =>
    async () => {
      const request = good.around(plaintext);
      const answer = await good.send(request);
      const { error } = good.inside(request, answer);
      assert.deepEqual([error?.reason, error?.maybeExecuted], [reason, false], error?.message);
      return answer;
    },
];

/** Fields that only this side of the gate may write, and those of one connection. */
const forged: readonly (readonly [string, string])[] = [
  ['x-sallyport-assertion', 'e30.e30.e30'],
  ['x_sallyport_assertion', 'e30.e30.e30'],
  ['x-sallyport-pod', 'sec-1'],
  ['x-sallyport-authority', 'evil.example'],
  ['x-sallyport-client-address', '10.9.9.9'],
  ['x-sallyport-anything', '1'],
  ['x-forwarded-client-cert', 'URI=spiffe://sallyport.internal/operator/root'],
  ['x-forwarded-for', '10.9.9.9'],
  ['x-forwarded-host', 'evil.example'],
  ['x-envoy-original-path', '/payroll'],
  ['x-real-ip', '10.9.9.9'],
  ['forwarded', 'for=10.9.9.9'],
  ['x-original-url', '/payroll'],
  ['x-http-method-override', 'DELETE'],
  ['host', 'evil.example'],
  ['connection', 'x-named'],
  ['x-named', '1'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'websocket'],
  ['te', 'trailers'],
  ['expect', '100-continue'],
];

/** What the intranet sees of a request. */
async function seenBy(world: World, head: Head, outside: Record<string, string> = {}) {
  const request = world.good.request({ path: '/headers', ...head });
  const answer = await world.good.send(request, outside);
  const { head: response, body, error } = world.good.inside(request, answer);
  assert.equal(response?.status, 200, error?.message);
  const fields = JSON.parse(Buffer.from(body).toString()) as [string, string][];
  return { answer, fields: fields.map(([name, value]): [string, string] => [name.toLowerCase(), value]) };
}

const reaches: readonly Row[] = [
  [
    'headers that only this side may write do not reach the intranet',
    fine,
    (world) => async () => {
      const before = await seenBy(world, {});
      const names = before.fields.map(([name]) => name).sort();
      const { answer, fields } = await seenBy(world, {
        headers: forged.map(([name, value]) => ({ name, value })),
      });
      assert.deepEqual(fields.map(([name]) => name).sort(), names);
      for (const [, value] of forged.slice(0, 13))
        assert.ok(!fields.some(([, seen]) => seen.includes(value) && value.length > 1), value);
      assert.equal(fields.find(([name]) => name === 'host')?.[1], 'intranet.example');
      return answer;
    },
  ],
  [
    'nor do those outside the seal: the address that the intranet sees is the true one',
    fine,
    (world) => async () => {
      const lie = '10.9.9.9';
      const { answer, fields } = await seenBy(
        world,
        {},
        {
          'x-forwarded-for': lie,
          'x-sallyport-client-address': lie,
          'x-sallyport-assertion': 'e30.e30.e30',
          'x-sallyport-pod': 'sec-1',
          'x-real-ip': lie,
          'x-envoy-external-address': lie,
        },
      );
      assert.ok(!fields.some(([, value]) => value.includes(lie)));
      assert.equal(fields.filter(([name]) => name === 'x-sallyport-assertion').length, 1);
      assert.equal(fields.find(([name]) => name === 'x-forwarded-for')?.[1], '127.0.0.1');
      return answer;
    },
  ],
];

export const requests: readonly Case[] = casesOf([
  garbageInside('a plaintext that is no protobuf', 'MALFORMED', Uint8Array.of(0xff, 0xff)),
  garbageInside('an empty plaintext', 'REQUEST_INVALID', new Uint8Array()),
  garbageInside(
    'a request without a head',
    'REQUEST_INVALID',
    toBinary(ExchangeRequestBodySchema, create(ExchangeRequestBodySchema, { body: new Uint8Array(3) })),
  ),
  ...refusals.map(refused),
  ...reaches,
]);
