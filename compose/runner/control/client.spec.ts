import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { askRunner } from './client.ts';
import { controlSocket } from './messages.ts';

describe('a change that is asked of the runner', () => {
  let runDir: string;
  let server: Server;
  let begun: Promise<ServerResponse>;

  beforeEach(async () => {
    runDir = mkdtempSync(join(tmpdir(), 'sp-ask-'));
    const { promise, resolve } = Promise.withResolvers<ServerResponse>();
    begun = promise;
    server = createServer((_, response) => {
      response.write(`${JSON.stringify({ progress: 'sec-0: out of rotation' })}\n`);
      resolve(response);
    });
    server.listen(controlSocket(runDir));
    await once(server, 'listening');
  });

  afterEach(() => {
    server.close();
    server.closeAllConnections();
    rmSync(runDir, { recursive: true, force: true });
  });

  const asked = (signal: AbortSignal): { heard: Promise<void>; result: Promise<unknown> } => {
    const heard = Promise.withResolvers<void>();
    const result = askRunner(runDir, 'restart', {}, { signal, progress: () => heard.resolve() });
    return { heard: heard.promise, result };
  };

  it('ends with the reason when the caller gives it up', async () => {
    const giveUp = new AbortController();
    const { heard, result } = asked(giveUp.signal);
    await heard;
    const reason = new Error('Ctrl-C');
    giveUp.abort(reason);
    await assert.rejects(result, reason);
  });

  it('says that the runner has ended when it dies in the middle', async () => {
    const { heard, result } = asked(new AbortController().signal);
    await heard;
    (await begun).destroy();
    await assert.rejects(result, { reason: 'UNAVAILABLE', message: /ended in the middle/ });
  });
});
