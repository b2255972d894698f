import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { callerOf } from './caller.ts';

describe('caller', () => {
  it('is whom the certificate names', () => {
    const sec = { role: 'security', pod: 'sec-2' };
    assert.deepEqual(callerOf('URI=spiffe://sallyport.internal/security/sec-2'), sec);
    assert.deepEqual(
      callerOf(
        'By=spiffe://sallyport.internal/proxy/proxy-0;Hash=ab;URI=spiffe://sallyport.internal/security/sec-2',
      ),
      sec,
    );
    assert.deepEqual(
      callerOf('Hash=ab;Subject="CN=sec-2";URI="spiffe://sallyport.internal/security/sec-2"'),
      sec,
    );
  });

  it('is unknown when the header is absent, or not what our sidecar writes', () => {
    for (const header of [
      undefined,
      '',
      'Hash=ab',
      'URI=',
      'URI=spiffe://elsewhere.example/security/sec-2',
      'URI=spiffe://sallyport.internal/admin/sec-2',
      'URI=spiffe://sallyport.internal/security/',
      'URI=spiffe://sallyport.internal/security/a/b',
      'URI=spiffe://sallyport.internal/security/sec-2;URI=spiffe://sallyport.internal/proxy/proxy-0',
      'URI=spiffe://sallyport.internal/security/sec-2,URI=spiffe://sallyport.internal/proxy/proxy-0',
      'By=spiffe://sallyport.internal/security/sec-2',
      'Subject="URI=spiffe://sallyport.internal/security/sec-2"',
    ]) {
      assert.deepEqual(callerOf(header), { role: 'unknown', pod: '' }, header);
    }
  });
});
