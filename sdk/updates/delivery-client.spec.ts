import assert from 'node:assert/strict';
import { createRouterTransport } from '@connectrpc/connect';
import { describe, it } from 'mocha';
import { AppDelivery } from '../../gen/sallyport/catalog/v1/catalog_pb.js';
import { Edges } from '../edges.ts';
import { defaultPlatform, type Platform } from '../platform.ts';
import { app } from '../test/opened.ts';
import { deliveryClient } from './delivery-client.ts';

const file = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251);
/** A hundred times as fast as the clock on the wall; begins with the first edge. */
const platform: Platform = {
  ...defaultPlatform,
  sleep: (ms, signal) => defaultPlatform.sleep(ms / 100, signal),
  random: () => 0,
};

/** A client of two edges, each of which sends what `pieces` gives, from an offset on. */
function clientOf(
  pieces: Record<string, (offset: number) => Iterable<Uint8Array> | AsyncIterable<Uint8Array>>,
) {
  const asked: string[] = [];
  const connect = (url: string) => ({
    streams: true,
    transport: createRouterTransport(({ service }) =>
      service(AppDelivery, {
        async *readTarget({ offset }) {
          asked.push(`${url} ${offset}`);
          for await (const data of pieces[url]?.(Number(offset)) ?? []) yield { data };
        },
      }),
    ),
  });
  const failed: string[] = [];
  const edges = new Edges(Object.keys(pieces), connect, 0, (event) => {
    if (event.type === 'edge-failed') failed.push(`${event.edge} ${event.reason}`);
  });
  const enrolment = () => ({
    ...{ routeKey: 'AAAAAAAAAAAAAAAAAAAAAA', sharedKey: new Uint8Array(32), sharedKeyVersion: 1 },
    ...{ identityDigest: new Uint8Array(32), strongestSuite: 1, edges: Object.keys(pieces) },
    ...{ deviceId: 'd', user: 'anna', appId: 'app' },
  });
  const client = deliveryClient({ edges, platform, enrolment, app, tierNow: () => Date.now() });
  const got: Uint8Array[] = [];
  const take = async (data: Uint8Array): Promise<void> => void got.push(data);
  return { read: () => client.read(new Uint8Array(32), 0, take), got, asked, failed };
}

describe('a download', () => {
  it('is gone on with at another edge when one sends next to nothing', async () => {
    const { read, got, asked, failed } = clientOf({
      'https://slow': async function* (offset) {
        for (let at = offset; at < file.length; at++) {
          yield file.slice(at, at + 1);
          await platform.sleep(10_000);
        }
      },
      'https://good': (offset) => [file.slice(offset)],
    });
    await read();
    assert.deepEqual(Buffer.concat(got), Buffer.from(file));
    assert.equal(asked[0], 'https://slow 0');
    assert.match(asked[1] ?? '', /^https:\/\/good [1-9]\d*$/);
    assert.match(failed[0] ?? '', /^https:\/\/slow less than 4096 bytes came in 30 s/);
  });

  it('may be slow', async () => {
    const { read, got, failed } = clientOf({
      'https://one': async function* (offset) {
        for (let at = offset; at < file.length; at += 20_000) {
          yield file.slice(at, at + 20_000);
          await platform.sleep(10_000);
        }
      },
    });
    await read();
    assert.deepEqual(Buffer.concat(got), Buffer.from(file));
    assert.deepEqual(failed, []);
  });
});
