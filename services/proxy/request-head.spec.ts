import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { cleanRequest, cleanResponseHeaders } from './request-head.ts';

const head = (headers: [string, string][] = [], rest: object = {}) => ({
  method: 'GET',
  authority: 'intranet.example',
  path: '/',
  headers: headers.map(([name, value]) => ({ name, value })),
  ...rest,
});
const invalid = (e: unknown) => e instanceof SallyportError && e.reason === 'REQUEST_INVALID';

describe('request heads', () => {
  it('keep what is the phone’s to say, several values of one name included', () => {
    const { headers } = cleanRequest(
      head([
        ['accept', 'a'],
        ['cookie', '1'],
        ['cookie', '2'],
      ]),
    );
    assert.deepEqual({ ...headers }, { accept: 'a', cookie: ['1', '2'] });
  });

  it('lose what only this side may say, what is of the connection, and what the connection names', () => {
    const { headers } = cleanRequest(
      head([
        ['x-sallyport-assertion', 'forged'],
        ['x-forwarded-for', '10.0.0.1'],
        ['x-envoy-original-path', '/'],
        ['host', 'other'],
        ['connection', 'close, X-Hop'],
        ['x-hop', '1'],
        ['transfer-encoding', 'chunked'],
        ['x-http-method-override', 'DELETE'],
        ['x-original-url', '/admin'],
        ['x_forwarded_for', '10.0.0.1'],
        ['x_sallyport_assertion', 'forged'],
        ['content_length', '7'],
        ['x-kept', 'yes'],
      ]),
    );
    assert.deepEqual({ ...headers }, { 'x-kept': 'yes' });
  });

  it('are refused when they could be read in two ways', () => {
    for (const bad of [
      head([['x', 'a\r\nhost: evil']]),
      head([['x y', 'a']]),
      head([['X-Upper', 'a']]),
      head([
        ['content-length', '5'],
        ['content-length', '6'],
      ]),
      head([['content-length', '5, 5']]),
      head(Array.from({ length: 129 }, (_, n) => [`x${n}`, ''])),
      head([['x', 'a'.repeat(50_000)]]),
      head([], { method: 'A'.repeat(33) }),
      head([], { method: 'CONNECT' }),
      head([], { method: 'GET /x' }),
      head([], { path: '/a/../b' }),
      head([], { path: '/a%2fb' }),
    ]) {
      assert.throws(() => cleanRequest(bad), invalid, JSON.stringify(bad));
    }
  });

  it('answers lose inner fields', () => {
    assert.deepEqual(
      cleanResponseHeaders({ etag: '"1"', 'x-envoy-upstream-service-time': '3', 'set-cookie': ['a', 'b'] }),
      [
        { name: 'etag', value: '"1"' },
        { name: 'set-cookie', value: 'a' },
        { name: 'set-cookie', value: 'b' },
      ],
    );
  });
});
