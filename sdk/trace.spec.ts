import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { nobleCrypto } from '../core/channel/noble-crypto.ts';
import { SallyportError } from '../core/errors/error.ts';
import { inTrace, prepareRequest } from './request.ts';
import { routeHeaders } from './route.ts';
import { type Tracer, traced } from './trace.ts';

const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;

function recording(given: string | undefined): { tracer: Tracer; told: string[] } {
  const told: string[] = [];
  const start = (name: string) => ({
    traceparent: given,
    end: (error?: SallyportError) => void told.push(`${name} ${error?.reason ?? 'ok'}`),
  });
  return { told, tracer: { start } };
}

describe('traces of the SDK', () => {
  it('begin and end with the work, whichever way it ends', async () => {
    const { tracer, told } = recording(traceparent);
    assert.equal(await traced(tracer, 'open', async (parent) => parent), traceparent);
    const failing = traced(tracer, 'GET', () => Promise.reject(new SallyportError('POLICY_DENIED')));
    await assert.rejects(failing, { reason: 'POLICY_DENIED' });
    assert.deepEqual(told, ['open ok', 'GET POLICY_DENIED']);
  });

  it('are not there without a tracer, and send nothing that is no traceparent', async () => {
    assert.equal(await traced(undefined, 'open', async (parent) => parent), undefined);
    for (const bad of [undefined, '', 'x\r\ny: z', traceparent.toUpperCase()]) {
      assert.equal(await traced(recording(bad).tracer, 'open', async (parent) => parent), undefined);
    }
    assert.deepEqual(routeHeaders('key'), { 'x-sallyport-route': 'key' });
  });

  it('go with the call and, in place of another, behind the seal', () => {
    assert.deepEqual(routeHeaders('key', traceparent), { 'x-sallyport-route': 'key', traceparent });
    const init = { headers: { traceparent: 'another', accept: '*/*' } };
    const request = prepareRequest(nobleCrypto, 'https://intranet.example/', init, undefined);
    assert.equal(inTrace(request, undefined), request);
    const { head } = inTrace(request, traceparent);
    const sent = head.headers.filter(({ name }) => name === 'traceparent' || name === 'accept');
    assert.deepEqual(sent, [
      { name: 'accept', value: '*/*' },
      { name: 'traceparent', value: traceparent },
    ]);
  });
});
