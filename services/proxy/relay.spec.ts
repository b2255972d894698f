import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { RequestFacts } from '#core/policy/facts.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { AnswerSink, BackendRequest } from './backends.ts';
import { type RelayRequest, relay } from './relay.ts';
import { givenAttachment } from './test/given.ts';
import { WorkScope } from './work-scope.ts';

type Backend = (sink: AnswerSink) => Promise<void> | void;

function given() {
  const clock = new ManualClock();
  const attachment = givenAttachment(clock);
  const asked: RequestFacts[] = [];
  const sent: BackendRequest[] = [];
  const knobs: { answer: Backend; deny?: SallyportError; gateways?: string[] } = {
    answer: async (sink) => {
      sink.head(200, { etag: '"1"', connection: 'close' });
      for (const text of ['a', 'b']) await sink.data(Buffer.from(text));
    },
  };
  const deps = {
    authorizer: {
      admit: async (_: unknown, facts: RequestFacts) => {
        asked.push(facts);
        if (knobs.deny) throw knobs.deny;
        return {
          backend: 'web',
          gateway: knobs.gateways?.shift(),
          authority: 'real.example',
          maxBodyBytes: 10,
          assertion: 'jwt',
        };
      },
    },
    backends: {
      request: async (request: BackendRequest, sink: AnswerSink) => {
        sent.push(request);
        await knobs.answer(sink);
      },
    },
    log: silentLogger,
    maxBodyBytes: 1000,
    newRequestId: () => 'id-1',
  };
  /** What the device has got, with the head first. */
  const got: unknown[] = [];
  const ask = async (request: Partial<RelayRequest> = {}, head = {}): Promise<void> => {
    const scope = new WorkScope();
    const done = attachment.use(scope);
    await relay(
      deps,
      attachment,
      {
        head: { method: 'POST', authority: 'a.example', path: '/%61', headers: [], ...head },
        body: new Uint8Array(),
        scope,
        clientAddress: undefined,
        ...request,
      },
      { head: (head) => void got.push(head), data: (piece) => void got.push(String(piece)) },
    ).finally(done);
  };
  return { clock, attachment, asked, sent, knobs, got, ask };
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
    const { ask, asked, sent, got } = given();
    await ask(
      { clientAddress: '203.0.113.7', body: Buffer.from('x') },
      { headers: [{ name: 'x-sallyport-assertion', value: 'forged' }] },
    );
    const facts = { method: 'POST', authority: 'a.example', path: '/a', clientAddress: '203.0.113.7' };
    assert.deepEqual(asked, [facts]);
    const [request] = sent;
    assert.deepEqual(
      { ...request, headers: { ...request?.headers }, scope: undefined },
      {
        backend: 'web',
        gateway: undefined,
        method: 'POST',
        authority: 'real.example',
        path: '/a',
        headers: {
          'x-request-id': 'id-1',
          'x-sallyport-assertion': 'jwt',
          'x-forwarded-for': '203.0.113.7',
        },
        body: Buffer.from('x'),
        scope: undefined,
      },
    );
    assert.deepEqual(got, [{ status: 200, headers: [{ name: 'etag', value: '"1"' }] }, 'a', 'b']);
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
    const { ask, knobs, clock, got } = given();
    knobs.answer = () => {
      throw new SallyportError('BACKEND_UNAVAILABLE', { metadata: { maybeExecuted: 'false' } });
    };
    await assert.rejects(ask(), told('BACKEND_UNAVAILABLE', false));
    knobs.answer = () => {
      throw new Error('surprise');
    };
    await assert.rejects(ask(), told('INTERNAL', true));
    knobs.answer = async (sink) => {
      await clock.advance(10_000);
      sink.head(200, {});
    };
    await assert.rejects(ask(), told('LEASE_LOST', true));
    await assert.rejects(ask(), told('LEASE_LOST', false));
    assert.deepEqual(got, []);
  });

  it('gives an answer only while the right lasts, its end included', async () => {
    for (const late of [1, 2]) {
      const { ask, knobs, clock, got } = given();
      knobs.answer = async (sink) => {
        sink.head(200, {});
        await sink.data(Buffer.from('a'));
        await clock.advance(10_000);
        if (late === 1) await sink.data(Buffer.from('b'));
      };
      await assert.rejects(ask(), told('LEASE_LOST', true));
      assert.equal(got.at(-1), 'a');
    }
  });

  it('ends, also in the middle of an answer, with what ended the attachment', async () => {
    const { ask, attachment, knobs, sent, got } = given();
    knobs.answer = async (sink) => {
      sink.head(200, {});
      await sink.data(Buffer.from('a'));
      attachment.end(new SallyportError('SESSION_REVOKED'));
      throw new Error('aborted');
    };
    await assert.rejects(ask(), told('SESSION_REVOKED', true));
    await assert.rejects(ask(), told('SESSION_REVOKED', false));
    assert.equal(sent.length, 1);
    assert.equal(got.length, 2);
  });

  describe('through a gateway that is lost', () => {
    const lost = (maybeExecuted: boolean) =>
      new SallyportError(maybeExecuted ? 'BACKEND_FAILED' : 'BACKEND_UNAVAILABLE', {
        metadata: { maybeExecuted: String(maybeExecuted), lostGateway: 'gw-0' },
      });
    const through = (gateways: string[], thrown: SallyportError, before?: (sink: AnswerSink) => void) => {
      const stand = given();
      stand.knobs.gateways = gateways;
      stand.knobs.answer = (sink) => {
        if (stand.sent.length > 1) return sink.head(200, {});
        before?.(sink);
        throw thrown;
      };
      const asked = () => stand.sent.map(({ gateway }) => gateway);
      return { ...stand, asked };
    };

    it('asks at the next one, if nothing was done or nothing is changed by doing it twice', async () => {
      for (const [method, done] of [
        ['POST', false],
        ['GET', true],
        ['PUT', true],
      ] as const) {
        const { ask, asked } = through(['gw-0', 'gw-1'], lost(done));
        await ask({ body: Buffer.from('x') }, { method });
        assert.deepEqual(asked(), ['gw-0', 'gw-1']);
      }
    });

    it('asks nobody else when it may have been done, has begun to be answered, or cannot be sent again', async () => {
      const post = through(['gw-0', 'gw-1'], lost(true));
      await assert.rejects(post.ask(), { reason: 'BACKEND_FAILED' });
      const begun = through(['gw-0', 'gw-1'], lost(true), (sink) => sink.head(200, {}));
      await assert.rejects(begun.ask({}, { method: 'GET' }), { reason: 'BACKEND_FAILED' });
      const pieces = through(['gw-0', 'gw-1'], lost(false));
      async function* body() {
        yield Buffer.from('x');
      }
      await assert.rejects(pieces.ask({ body: body() }), { reason: 'BACKEND_UNAVAILABLE' });
      const alone = through(['gw-0', 'gw-0'], lost(false));
      await assert.rejects(alone.ask(), { reason: 'BACKEND_UNAVAILABLE' });
      for (const { asked } of [post, begun, pieces, alone]) assert.deepEqual(asked(), ['gw-0']);
    });
  });
});
