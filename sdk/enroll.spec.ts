import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { enroll, readActivation } from './enroll.ts';
import { memoryStore } from './enrolment-store.ts';
import { FakeMesh } from './test/fake-mesh.ts';
import { FakeTier } from './test/fake-tier.ts';
import { answer, app, platform, reasonIs } from './test/opened.ts';

describe('enroll', () => {
  const start = async () => {
    const mesh = await FakeMesh.start(() => Promise.resolve(answer(200)));
    const options = { app, deviceName: 'phone', connect: mesh.connect(true), platform };
    return { mesh, options, activation: mesh.tier.activation(mesh.urls) };
  };

  it('agrees a shared key with the tier and saves it', async () => {
    const { mesh, options, activation } = await start();
    const store = memoryStore();
    const enrolment = await enroll(activation, { ...options, store });
    assert.deepEqual(await store.load(), enrolment);
    const held = mesh.tier.enrolments.get(enrolment.routeKey);
    assert.deepEqual(held?.sharedKeys, [enrolment.sharedKey]);
    assert.deepEqual(enrolment.edges, mesh.urls);
    assert.equal(enrolment.user, 'anna');
  });

  it('sends the same message again when an answer is lost, so the code is good for it', async () => {
    const { mesh, options, activation } = await start();
    mesh.loseAnswers.set('enroll', 2);
    await enroll(activation, options);
    assert.equal(mesh.tier.calls.get('enroll'), 3);
    assert.equal(mesh.tier.enrolments.size, 1);
  });

  it('goes through the other edge when one is down', async () => {
    const { mesh, options, activation } = await start();
    mesh.edge('https://edge-0').kill();
    await enroll(activation, options);
  });

  it('says why it could not, when all edges are down', async () => {
    const { mesh, options, activation } = await start();
    for (const url of mesh.urls) mesh.edge(url).kill();
    await assert.rejects(enroll(activation, { ...options, timeoutMs: 150 }), reasonIs('UNAVAILABLE'));
  });

  it('refuses a code that was used', async () => {
    const { options, activation } = await start();
    await enroll(activation, options);
    await assert.rejects(enroll(activation, options), reasonIs('ACTIVATION_INVALID'));
  });

  it('refuses a tier with another identity than the pinned one', async () => {
    const { mesh, options } = await start();
    const other = await FakeTier.start();
    await assert.rejects(enroll(other.activation(mesh.urls), options), reasonIs('UNTRUSTED_SERVER'));
  });

  it('refuses damaged strings, and reads good ones', async () => {
    const { mesh, options, activation } = await start();
    assert.deepEqual(readActivation(activation), { userHint: 'anna', appId: 'app', edges: mesh.urls });
    for (const text of ['', 'sallyport:1:', 'sallyport:1:AAAA', activation.slice(0, 30)]) {
      await assert.rejects(enroll(text, options), reasonIs('MALFORMED'));
    }
  });

  it('stops when the caller gives up', async () => {
    const { mesh, options, activation } = await start();
    for (const url of mesh.urls) mesh.edge(url).kill();
    const stop = new AbortController();
    const enrolling = enroll(activation, { ...options, signal: stop.signal });
    stop.abort();
    await assert.rejects(enrolling, reasonIs('CANCELLED'));
  });
});
