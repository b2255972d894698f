import assert from 'node:assert/strict';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import {
  type AuthorizeQuestionSchema,
  AuthorizeStreamResponseSchema,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import type { Outcome, Question } from './authorize-stream.ts';
import { AuthorizeStream } from './authorize-stream.ts';
import { SendQueue } from './send-queue.ts';

/** One stream, as the security pod sees it. */
class PodSide {
  readonly got: MessageInitShape<typeof AuthorizeQuestionSchema>[] = [];
  /** Questions in each message. */
  readonly together: number[] = [];
  readonly outbox = new SendQueue<ReturnType<typeof create<typeof AuthorizeStreamResponseSchema>>>();
  cancelled = false;
  /** While it is there, the transport takes nothing more. */
  room: Promise<void> | undefined;

  /** Answers the nth question; with an error if a reason is given. */
  answer(n: number, errorReason?: string, pod = 'sec-0'): void {
    const { id = 0n } = this.got[n] ?? {};
    const value = { grant: { allow: true, resource: `answer ${n}` } };
    const result =
      errorReason === undefined
        ? { case: 'response' as const, value }
        : { case: 'errorReason' as const, value: errorReason };
    void this.outbox.push(create(AuthorizeStreamResponseSchema, { pod, answers: [{ id, result }] }));
  }
}

const question: Question = {
  subject: { case: 'sessionId', value: 'x'.repeat(60) },
  request: { method: 'GET', authority: 'intranet.example', path: '/' },
};

describe('a stream of questions', () => {
  let clock: ManualClock;
  let sides: PodSide[];
  let stream: AuthorizeStream;
  const never = new AbortController().signal;

  beforeEach(() => {
    clock = new ManualClock();
    sides = [];
    stream = new AuthorizeStream('sec-0', {
      open: (pod) => {
        assert.equal(pod, 'sec-0');
        const side = new PodSide();
        sides.push(side);
        return {
          send: async ({ questions = [] }) => {
            side.got.push(...questions);
            side.together.push(questions.length);
            await side.room;
          },
          responses: side.outbox,
          end: () => {},
          cancel: () => {
            side.cancelled = true;
            side.outbox.end(new SallyportError('CANCELLED'));
          },
        };
      },
      clock,
      log: silentLogger,
      answerMs: 1000,
      maxInFlight: 3,
      random: () => 0,
    });
  });
  afterEach(async () => {
    await stream.close();
    assert.equal(clock.waiting, 0);
  });

  const side = (n = sides.length - 1): PodSide => {
    const found = sides[n];
    assert.ok(found, `stream ${n}`);
    return found;
  };
  const ask = (signal = never): Promise<string> => stream.ask(question, signal).then(said);
  const said = (outcome: Outcome): string =>
    outcome.kind === 'answered' ? (outcome.response.grant?.resource ?? '') : outcome.kind;
  /** A stream that has answered once. */
  const proven = async (): Promise<PodSide> => {
    assert.equal(await ask(), 'none');
    const first = ask();
    await clock.advance(0);
    side().answer(0);
    assert.equal(await first, 'answer 0');
    return side();
  };

  it('is opened by the first question, which goes by route; the second tries it, alone', async () => {
    assert.equal(await ask(), 'none');
    assert.equal(sides.length, 1);
    const second = ask();
    assert.equal(await ask(), 'full');
    await clock.advance(0);
    side().answer(0);
    assert.equal(await second, 'answer 0');
    assert.equal(sides.length, 1);
  });

  it('carries many at once, in a bounded number, and matches answers by id', async () => {
    const pod = await proven();
    const three = [ask(), ask(), ask()];
    assert.equal(await ask(), 'full');
    await clock.advance(0);
    for (const n of [3, 1, 2]) pod.answer(n);
    assert.deepEqual(await Promise.all(three), ['answer 1', 'answer 2', 'answer 3']);
    assert.equal(new Set(pod.got.map(({ id }) => id)).size, 4);
  });

  it('sends together what is asked at the same time, or while a message is on its way', async () => {
    const pod = await proven();
    const room = Promise.withResolvers<void>();
    pod.room = room.promise;
    const first = ask();
    await clock.advance(0);
    const later = [ask(), ask()];
    await clock.advance(0);
    assert.deepEqual(pod.together, [1, 1]);
    pod.room = undefined;
    room.resolve();
    await clock.advance(0);
    assert.deepEqual(pod.together, [1, 1, 2]);
    const answers = [3, 1, 2].map((n) => {
      const { id = 0n } = pod.got[n] ?? {};
      return { id, result: { case: 'response' as const, value: { grant: { resource: `answer ${n}` } } } };
    });
    void pod.outbox.push(create(AuthorizeStreamResponseSchema, { pod: 'sec-0', answers }));
    assert.deepEqual(await Promise.all([first, ...later]), ['answer 1', 'answer 2', 'answer 3']);
  });

  it('tells what the pod does not hold from what it refuses', async () => {
    const pod = await proven();
    const two = [ask(), ask()];
    await clock.advance(0);
    pod.answer(1, 'NOT_HELD');
    pod.answer(2, 'SESSION_REVOKED');
    assert.deepEqual(await Promise.all(two), ['not_held', 'refused']);
  });

  it('does not wait for ever: a late answer is nobody’s, a silent stream is given up', async () => {
    const pod = await proven();
    const slow = ask();
    await clock.advance(500);
    const quick = ask();
    await clock.advance(0);
    pod.answer(2);
    assert.equal(await quick, 'answer 2');
    await clock.advance(500);
    assert.equal(await slow, 'late');
    pod.answer(1);
    await clock.advance(0);
    assert.equal(pod.cancelled, false, 'it has answered another meanwhile');
    const lost = ask();
    await clock.advance(999);
    const beside = ask();
    await clock.advance(1);
    assert.deepEqual(await Promise.all([lost, beside]), ['late', 'broken']);
    assert.equal(pod.cancelled, true);
  });

  it('is opened anew after pauses that grow until it answers', async () => {
    assert.equal(await ask(), 'none');
    for (const pauseMs of [100, 200, 400]) {
      const waiting = ask();
      await clock.advance(0);
      side().outbox.end(new SallyportError('UNAVAILABLE'));
      assert.equal(await waiting, 'broken');
      const before = sides.length;
      await clock.advance(pauseMs - 1);
      assert.equal(await ask(), 'none');
      assert.equal(sides.length, before);
      await clock.advance(1);
      assert.equal(await ask(), 'none');
      assert.equal(sides.length, before + 1);
    }
    const first = ask();
    await clock.advance(0);
    side().answer(0);
    await first;
    side().outbox.end();
    await clock.advance(100);
    assert.equal(await ask(), 'none');
    assert.equal(sides.length, 5);
  });

  it('sends no faster than the transport takes, and not what nobody waits for any more', async () => {
    const pod = await proven();
    const room = Promise.withResolvers<void>();
    pod.room = room.promise;
    const leaving = new AbortController();
    const first = ask();
    await clock.advance(0);
    const [second, third] = [ask(leaving.signal), ask()];
    await clock.advance(0);
    assert.equal(pod.got.length, 2);
    leaving.abort();
    assert.equal(await second, 'dropped');
    pod.room = undefined;
    room.resolve();
    await clock.advance(0);
    assert.equal(pod.got.length, 3);
    pod.answer(1);
    pod.answer(2);
    assert.deepEqual(await Promise.all([first, third]), ['answer 1', 'answer 2']);
    assert.equal(await ask(AbortSignal.abort()), 'dropped');
  });

  it('never carries what would end it for all', async () => {
    const pod = await proven();
    const long = { ...question, request: { method: 'GET', authority: 'a', path: 'x'.repeat(8193) } };
    assert.equal(said(await stream.ask(long, never)), 'unfit');
    assert.equal(pod.got.length, 1);
  });

  it('that another pod answers is not believed', async () => {
    const pod = await proven();
    const waiting = ask();
    await clock.advance(0);
    pod.answer(1, undefined, 'sec-1');
    assert.equal(await waiting, 'broken');
    assert.equal(pod.cancelled, true);
  });

  it('closes: whoever waits asks by route, and it stays closed', async () => {
    const pod = await proven();
    const waiting = ask();
    await stream.close();
    assert.equal(await waiting, 'broken');
    assert.equal(pod.cancelled, true);
    await clock.advance(60_000);
    assert.equal(await ask(), 'none');
    assert.equal(sides.length, 1);
  });
});
