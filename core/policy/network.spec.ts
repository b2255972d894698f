import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { contains, parseAddress, parseNetwork } from './network.ts';

function inside(network: string, address: string): boolean {
  const [parsedNetwork, parsedAddress] = [parseNetwork(network), parseAddress(address)];
  assert.ok(parsedNetwork && parsedAddress, `${network} and ${address} can be read`);
  return contains(parsedNetwork, parsedAddress);
}

describe('networks', () => {
  it('contain the addresses of their prefix', () => {
    assert.ok(inside('10.0.0.0/8', '10.255.1.2'));
    assert.ok(!inside('10.0.0.0/8', '11.0.0.0'));
    assert.ok(inside('192.168.1.128/25', '192.168.1.200'));
    assert.ok(!inside('192.168.1.128/25', '192.168.1.127'));
    assert.ok(inside('0.0.0.0/0', '255.255.255.255'));
    assert.ok(!inside('0.0.0.0/0', '2001:db8::1'));
    assert.ok(inside('2001:db8::/32', '2001:db8:1::ffff'));
    assert.ok(!inside('2001:db8::/33', '2001:db8:8000::'));
    assert.ok(inside('10.0.0.0/8', '::ffff:10.1.2.3'));
    assert.ok(inside('::1', '0:0:0:0:0:0:0:1'));
    assert.ok(!inside('10.0.0.1', '10.0.0.2'));
  });

  it('are refused when they are none', () => {
    for (const text of [
      '',
      '10',
      '10.0.0.0/33',
      '::/129',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      '010.0.0.1',
      'a.b.c.d',
    ])
      assert.equal(parseNetwork(text), undefined, text);
  });

  it('read as an address what the platform reads as one', () => {
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.string({ unit: fc.constantFrom(':', '.', '0', '1', 'f', '255'), maxLength: 20 }),
    );
    fc.assert(
      fc.property(text, (address) => assert.equal(parseAddress(address) !== undefined, isIP(address) !== 0)),
    );
  });
});
