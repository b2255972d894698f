import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { wholeRequests } from './browser.ts';

describe('calls over fetch', () => {
  it('are sent whole, for browsers send no streams', async () => {
    const sent: [unknown, RequestInit | undefined][] = [];
    const call = wholeRequests(async (url, init) => {
      sent.push([url, init]);
      return new Response('answer', { status: 418, headers: { 'grpc-status': '0' } });
    });
    const header = new Headers({ 'content-type': 'application/grpc-web+proto' });
    const { signal } = new AbortController();
    const body = ReadableStream.from([new Uint8Array([1, 2]), new Uint8Array(0), new Uint8Array([3])]);
    const answer = await call({ url: 'https://edge/a.B/C', method: 'POST', header, body, signal });
    assert.deepEqual(sent, [
      ['https://edge/a.B/C', { method: 'POST', headers: header, body: new Uint8Array([1, 2, 3]), signal }],
    ]);
    assert.deepEqual([answer.status, answer.header.get('grpc-status')], [418, '0']);
    assert.equal(await new Response(ReadableStream.from(answer.body)).text(), 'answer');
  });
});
