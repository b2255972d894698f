import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { serveTallies } from './serve-tallies.ts';
import { tally } from './tally.ts';

const get = (socketPath: string, path: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    const call = request({ socketPath, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    call.on('error', reject);
    call.end();
  });

describe('tallies', () => {
  it('are counted without telemetry, and served as Prometheus text', async () => {
    const options = { unit: '{thing}', description: 'Things of this spec.' };
    const things = tally('sallyport.spec.thing', options, {
      red: { colour: 'red' },
      blue: { colour: 'blue' },
    });
    for (let n = 0; n < 3; n++) things.add('red');
    assert.deepEqual([things.read('red'), things.read('blue')], [3, 0]);
    const dir = await mkdtemp(join(tmpdir(), 'sp-tally-'));
    const socket = join(dir, 'figures.sock');
    const server = await serveTallies(socket);
    try {
      const { status, text } = await get(socket, '/metrics');
      assert.equal(status, 200);
      assert.match(text, /^# HELP sallyport_spec_thing_total Things of this spec\.$/m);
      assert.match(text, /^# TYPE sallyport_spec_thing_total counter$/m);
      assert.match(text, /^sallyport_spec_thing_total\{colour="red"\} 3$/m);
      assert.match(text, /^sallyport_spec_thing_total\{colour="blue"\} 0$/m);
      assert.equal((await get(socket, '/else')).status, 404);
    } finally {
      await server.close();
      await rm(dir, { recursive: true });
    }
  });
});
