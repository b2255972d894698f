import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { requestBody } from './body.ts';
import { givenAttachment, listOf } from './test/given.ts';

/** A body that notes whether its reader gave it up. */
function pieces(...sizes: number[]) {
  const state = { given: 0, returned: false };
  const body: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const size = sizes[state.given++];
        return size === undefined
          ? { done: true, value: undefined }
          : { done: false, value: new Uint8Array(size) };
      },
      return: async () => {
        state.returned = true;
        return { done: true, value: undefined };
      },
    }),
  };
  return { body, state };
}
const request = (method: string, length?: string) => ({
  method,
  authority: 'a',
  path: '/',
  headers: length === undefined ? {} : { 'content-length': length },
});
const given = (limit = 100) => {
  const clock = new ManualClock();
  return { clock, options: { attachment: givenAttachment(clock), limit } };
};
const lengthOf = async (body: AsyncIterable<Uint8Array> | Uint8Array | undefined): Promise<number> => {
  assert.ok(body && !(body instanceof Uint8Array));
  return (await listOf(body)).reduce((sum, each) => sum + each.length, 0);
};

describe('a request’s body', () => {
  it('is none where there is no byte of it', async () => {
    const { options } = given();
    for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
      assert.equal(await requestBody(request(method), pieces().body, options), undefined);
    }
    assert.equal(await requestBody(request('POST', '0'), pieces().body, options), undefined);
    assert.equal(await requestBody(request('POST'), new Uint8Array(), options), undefined);
    assert.equal(await lengthOf(await requestBody(request('DELETE'), pieces(3, 4).body, options)), 7);
    assert.equal(await lengthOf(await requestBody(request('POST'), pieces(3, 4).body, options)), 7);
  });

  it('is bounded, by what is announced and by what comes', async () => {
    const { options } = given();
    await assert.rejects(requestBody(request('PUT', '101'), pieces().body, options), { reason: 'TOO_LARGE' });
    await assert.rejects(requestBody(request('PUT'), new Uint8Array(101), options), { reason: 'TOO_LARGE' });
    assert.equal(await lengthOf(await requestBody(request('PUT'), pieces(50, 50).body, options)), 100);
    const longer = await requestBody(request('PUT'), pieces(50, 50, 1).body, options);
    await assert.rejects(lengthOf(longer), { reason: 'TOO_LARGE' });
    await assert.rejects(requestBody(request('PUT', '4'), new Uint8Array(3), options), {
      reason: 'REQUEST_INVALID',
    });
  });

  it('is waited for when it is announced to be short, and has the length that was announced', async () => {
    const { options } = given();
    const body = await requestBody(request('PUT', '7'), pieces(3, 4).body, options);
    assert.deepEqual(body, new Uint8Array(7));
    for (const wrong of [pieces(3), pieces(3, 5), pieces()]) {
      const taken = requestBody(request('PUT', '7'), wrong.body, options);
      await assert.rejects(taken, { reason: 'REQUEST_INVALID' });
    }
    const long = await requestBody(request('PUT', '20000'), pieces(20_000).body, given(30_000).options);
    assert.equal(await lengthOf(long), 20_000);
  });

  it('that has come whole is not waited for, and has a length', async () => {
    const { options } = given(10);
    const whole = (length: number) => ({ ...pieces().body, takeRest: () => new Uint8Array(length) });
    assert.equal(await requestBody(request('POST'), whole(0), options), undefined);
    assert.deepEqual(await requestBody(request('POST'), whole(10), options), new Uint8Array(10));
    await assert.rejects(requestBody(request('POST'), whole(11), options), { reason: 'TOO_LARGE' });
    await assert.rejects(requestBody(request('POST', '4'), whole(3), options), { reason: 'REQUEST_INVALID' });
    const coming = { ...pieces(3, 4).body, takeRest: () => undefined };
    assert.equal(await lengthOf(await requestBody(request('POST'), coming, options)), 7);
  });

  it('is taken only while the right lasts', async () => {
    const { clock, options } = given();
    const body = await requestBody(request('PUT'), pieces(1, 1).body, options);
    assert.ok(body && !(body instanceof Uint8Array));
    const reader = body[Symbol.asyncIterator]();
    await reader.next();
    await clock.advance(10_000);
    await assert.rejects(reader.next(), { reason: 'LEASE_LOST' });
  });

  it('that the backend does not want is left, not given up', async () => {
    const { options } = given();
    const { body, state } = pieces(1, 1, 1);
    const taken = await requestBody(request('PUT'), body, options);
    assert.ok(taken && !(taken instanceof Uint8Array));
    for await (const piece of taken) {
      assert.equal(piece.length, 1);
      break;
    }
    assert.deepEqual(state, { given: 1, returned: false });
  });
});
