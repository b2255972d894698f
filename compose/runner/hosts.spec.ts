import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { openHosts } from './hosts.ts';

const address = '127.0.0.1';
const spec = { name: 'sec-0 process', command: '/bin/node', args: ['main.ts'], env: {}, logFile: '/tmp/log' };
const reason =
  (expected: string) =>
  (error: unknown): boolean =>
    SallyportError.from(error).reason === expected;

describe('hosts of a mesh', () => {
  it('start programs as they are, unless they are namespaces', async () => {
    for (const places of [undefined, [{ name: 'host-0', address }]]) {
      const hosts = await openHosts(places, {});
      assert.equal(hosts.placed('host-0', spec), spec);
      assert.equal(hosts.isElsewhere(address), false);
    }
  });

  it('that are none are refused', async () => {
    const twice = { name: 'host-0', address };
    for (const places of [[], [twice, twice], [{ ...twice, netns: 'relative' }]]) {
      await assert.rejects(openHosts(places, process.env), reason('CONFIG_INVALID'));
    }
  });

  it('that cannot be entered are refused before anything is started', async () => {
    const host = { name: 'host-0', address, netns: '/proc/self/ns/nothing' };
    await assert.rejects(openHosts([host], process.env), reason('START_FAILED'));
    await assert.rejects(openHosts([host], { PATH: '/nowhere' }), reason('START_FAILED'));
  });
});
