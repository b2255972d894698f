import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { abortScope } from './abort-scope.ts';
import type { BackendRequest, BackendResponse } from './backends.ts';
import { type RelayRequest, relay } from './relay.ts';
import { givenAttachment, listOf } from './test/given.ts';

async function* body(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

function given() {
  const clock = new ManualClock();
  const attachment = givenAttachment(clock);
  const asked: RequestFacts[] = [];
  const sent: BackendRequest[] = [];
  const knobs: { answer: () => Promise<BackendResponse> | BackendResponse; deny?: SallyportError } = {
    answer: () => ({ status: 200, headers: { etag: '"1"', connection: 'close' }, body: body('a', 'b') }),
  };
  const deps = {
    authorizer: {
      admit: async (_: unknown, facts: RequestFacts) => {
        asked.push(facts);
        if (knobs.deny) throw knobs.deny;
        return { backend: 'web', authority: 'real.example', maxBodyBytes: 10, assertion: 'jwt' };
      },
    },
    backends: {
      request: async (request: BackendRequest) => {
        sent.push(request);
        return knobs.answer();
      },
    },
    log: silentLogger,
    maxBodyBytes: 1000,
    newRequestId: () => 'id-1',
  };
  const scope = abortScope(attachment.ended);
  const ask = (request: Partial<RelayRequest> = {}, head = {}) =>
    relay(deps, attachment, {
      head: { method: 'POST', authority: 'a.example', path: '/%61', headers: [], ...head },
      body: new Uint8Array(),
      scope,
      clientAddress: undefined,
      ...request,
    });
  return { clock, attachment, asked, sent, knobs, scope, ask };
}
const told = (reason: string, maybeExecuted: boolean) => (error: SallyportError) => {
  assert.deepEqual(
    { reason: error.reason, ...error.metadata },
    { reason, requestId: 'id-1', maybeExecuted: String(maybeExecuted) },
  );
  return true;
};

describe('relaying', () => {
  it('sends what the policy saw, with an assertion and the phone’s address', async () => {
    const { ask, asked, sent, scope } = given();
    const answer = await ask(
      { clientAddress: '203.0.113.7', body: Buffer.from('x') },
      { headers: [{ name: 'x-sallyport-assertion', value: 'forged' }] },
    );
    const facts = { method: 'POST', authority: 'a.example', path: '/a', clientAddress: '203.0.113.7' };
    assert.deepEqual(asked, [facts]);
    const [request] = sent;
    assert.deepEqual(
      { ...request, headers: { ...request?.headers } },
      {
        backend: 'web',
        method: 'POST',
        authority: 'real.example',
        path: '/a',
        headers: {
          'x-request-id': 'id-1',
          'x-sallyport-assertion': 'jwt',
          'x-forwarded-for': '203.0.113.7',
        },
        body: Buffer.from('x'),
        signal: scope.signal,
      },
    );
    assert.deepEqual(answer.headers, [{ name: 'etag', value: '"1"' }]);
    assert.equal((await listOf(answer.body)).length, 2);
  });

  it('asks nobody about what is no request, and no backend about what is denied or too long', async () => {
    const { ask, asked, sent, knobs } = given();
    await assert.rejects(ask({}, { path: '/../x' }), told('REQUEST_INVALID', false));
    assert.equal(asked.length, 0);
    await assert.rejects(ask({ body: new Uint8Array(11) }), told('TOO_LARGE', false));
    knobs.deny = new SallyportError('POLICY_DENIED');
    await assert.rejects(ask(), told('POLICY_DENIED', false));
    assert.equal(sent.length, 0);
  });

  it('says that the backend may have acted from when it was asked, unless it knows better', async () => {
    const { ask, knobs, clock } = given();
    knobs.answer = () => {
      throw new SallyportError('BACKEND_UNAVAILABLE', { metadata: { maybeExecuted: 'false' } });
    };
    await assert.rejects(ask(), told('BACKEND_UNAVAILABLE', false));
    knobs.answer = () => {
      throw new Error('surprise');
    };
    await assert.rejects(ask(), told('INTERNAL', true));
    knobs.answer = async () => {
      await clock.advance(10_000);
      return { status: 200, headers: {}, body: body() };
    };
    await assert.rejects(ask(), told('LEASE_LOST', true));
    await assert.rejects(ask(), told('LEASE_LOST', false));
  });

  it('ends, also in the middle of an answer, with what ended the attachment', async () => {
    const { ask, attachment, knobs, sent } = given();
    knobs.answer = () => ({
      status: 200,
      headers: {},
      body: (async function* () {
        yield Buffer.from('a');
        attachment.end(new SallyportError('SESSION_REVOKED'));
        throw new Error('aborted');
      })(),
    });
    const { body: pieces } = await ask();
    await assert.rejects(listOf(pieces), told('SESSION_REVOKED', true));
    await assert.rejects(ask(), told('SESSION_REVOKED', false));
    assert.equal(sent.length, 1);
  });
});

describe('an abort scope', () => {
  it('passes a reason on, and is forgotten by its sources when it has ended', () => {
    const source = new AbortController();
    const first = abortScope(source.signal);
    const second = abortScope(source.signal);
    second.end();
    assert.equal(second.signal.aborted, true);
    source.abort('why');
    assert.equal(first.signal.reason, 'why');
    assert.notEqual(second.signal.reason, 'why');
    assert.equal(abortScope(source.signal).signal.reason, 'why');
  });
});
