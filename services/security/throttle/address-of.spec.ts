import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { unknownCaller } from '#kernel/rpc/caller.ts';
import { addressOf } from './address-of.ts';

const of = (remoteAddress: string | undefined) => addressOf({ remoteAddress, caller: unknownCaller });

describe('addressOf', () => {
  it('tells IPv4 addresses apart, however they are written', () => {
    assert.notEqual(of('192.0.2.7'), of('192.0.2.8'));
    assert.equal(of('192.0.2.7'), of('::ffff:192.0.2.7'));
  });

  it('counts the /64 of an IPv6 address as one', () => {
    assert.equal(of('2001:db8:1:2::1'), of('2001:db8:1:2:ffff::9'));
    assert.notEqual(of('2001:db8:1:2::1'), of('2001:db8:1:3::1'));
    assert.notEqual(of('::1'), of('0.0.0.1'));
  });

  it('counts callers inside the mesh by pod', () => {
    assert.equal(addressOf({ remoteAddress: undefined, caller: { role: 'proxy', pod: 'p-0' } }), 'pod p-0');
  });
});
