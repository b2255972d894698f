import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { answer, credentials, opened } from './test/opened.ts';

describe('an edge that takes calls and answers none', () => {
  it('costs a moment: what may be done by two is asked of another edge as well', async () => {
    const { mesh, session, device, events } = await opened(async () => answer(200, 'page'), true);
    mesh.edge('https://edge-0').silent = true;
    // Attaching.
    assert.equal(await (await session.fetch('/')).text(), 'page');
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'edge-failed' ? [event.edge] : [])),
      ['https://edge-0'],
    );
    assert.ok(events.some((event) => event.type === 'attached' && event.edge === 'https://edge-1'));
    // Opening: the other edge is the current one now, so that one is to be silent.
    mesh.edge('https://edge-0').silent = false;
    mesh.edge('https://edge-1').silent = true;
    const second = await device.open(credentials);
    mesh.edge('https://edge-1').silent = false;
    assert.equal(await (await second.fetch('/')).text(), 'page');
  }).timeout(30_000);

  it('is not needed when the first one fails at once, nor when both are silent', async () => {
    const { mesh, session } = await opened(async () => answer(200, 'page'), true);
    mesh.edge('https://edge-0').kill();
    assert.equal(await (await session.fetch('/')).text(), 'page');
    await session.close();
    const silent = await opened(async () => answer(200, 'page'), true);
    for (const url of silent.mesh.urls) silent.mesh.edge(url).silent = true;
    await assert.rejects(silent.session.fetch('/', { timeoutMs: 2500 }), { reason: 'DEADLINE' });
  }).timeout(30_000);
});
