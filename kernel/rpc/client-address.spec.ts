import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { clientAddressHeader as envoys } from '#envoy/model/headers.ts';
import { callerOfUri } from './caller.ts';
import { clientAddress, clientAddressHeader } from './client-address.ts';

const caller = (role: string) => callerOfUri(`spiffe://sallyport.internal/${role}/x-0`);

describe('clientAddress', () => {
  it('is the header that edges write', () => assert.equal(clientAddressHeader, envoys));

  it('is believed from an edge alone', () => {
    assert.equal(clientAddress(caller('edge'), '192.0.2.7'), '192.0.2.7');
    assert.equal(clientAddress(caller('edge'), ' 2001:db8::1 '), '2001:db8::1');
    for (const role of ['proxy', 'security', 'operator', 'nobody']) {
      assert.equal(clientAddress(caller(role), '192.0.2.7'), undefined);
    }
  });

  it('is nothing when it is no address', () => {
    for (const header of [undefined, '', 'unix', '192.0.2.7, 192.0.2.8', '192.0.2.7:443']) {
      assert.equal(clientAddress(caller('edge'), header), undefined);
    }
  });
});
