import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import {
  type AuthorizeAnswer,
  type AuthorizeQuestion,
  AuthorizeQuestionSchema,
  type AuthorizeRequestSchema,
  type AuthorizeResponse,
  type AuthorizeStreamResponse,
  type ProxyAuthorize,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Logger } from '#kernel/log/logger.ts';
import type { GrpcClient } from '#kernel/rpc/grpc-client.ts';
import { checkRequest } from '#kernel/rpc/validate.ts';
import { type Backoff, backoff } from '#kernel/time/backoff.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { nextTurn } from '#kernel/time/next-turn.ts';
import { SendQueue } from './send-queue.ts';

export type Question = MessageInitShape<typeof AuthorizeRequestSchema>;

/**
 * What became of a question. Everything but `answered` means: ask by route. `none` there is no stream now,
 * `full` too many are under way, `unfit` the contract forbids it (it would end the stream for all), `late` no
 * answer in time, `broken` the stream ended first, `dropped` nobody wants the answer any more.
 */
export type Outcome =
  | { readonly kind: 'answered'; readonly response: AuthorizeResponse }
  | { readonly kind: 'not_held' | 'refused' | 'none' | 'full' | 'unfit' | 'late' | 'broken' | 'dropped' };

export interface AuthorizeStreamDeps {
  /** Opens a stream to that pod. */
  readonly open: (pod: string) => ReturnType<GrpcClient<typeof ProxyAuthorize>['authorizeStream']>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds that an answer may take. */
  readonly answerMs: number;
  /** Questions under way on one stream; default 1,000, as many as a pod answers at a time. */
  readonly maxInFlight?: number;
  readonly random?: () => number;
}

/** Questions in one message at most; the contract allows 256. */
const maxTogether = 64;

interface Open {
  readonly call: ReturnType<AuthorizeStreamDeps['open']>;
  /** Questions that are still to be sent: while a message is on its way, and while the transport takes no more. */
  readonly queue: SendQueue<AuthorizeQuestion>;
  /** Answers so far. Until the first, nobody knows whether there is a pod at the other end. */
  heard: number;
}

/**
 * The stream of questions to one security pod. It is opened by the first question, which itself goes by
 * route, and after it broke by the first one that comes when a pause is over. Until it has answered once it
 * is given one question at a time: a pod that is gone then keeps nobody else waiting.
 */
export class AuthorizeStream {
  readonly #pod: string;
  readonly #deps: AuthorizeStreamDeps;
  readonly #pause: Backoff;
  /** By number; all are of the stream that is open. */
  readonly #waiting = new Map<bigint, (outcome: Outcome) => void>();
  #open: Open | undefined;
  #running: Promise<void> = Promise.resolve();
  #lastId = 0n;
  /** Monotonic milliseconds. */
  #openAgainAt = Number.NEGATIVE_INFINITY;

  constructor(pod: string, deps: AuthorizeStreamDeps) {
    this.#pod = pod;
    this.#deps = deps;
    this.#pause = backoff({ baseMs: 100, capMs: 5000 }, deps.random ?? Math.random);
  }

  /** Never rejects, and resolves within `answerMs`; with `dropped` when the signal is aborted. */
  ask(request: Question, signal: AbortSignal): Promise<Outcome> {
    const open = this.#open;
    if (open === undefined) {
      if (this.#deps.clock.monotonic() >= this.#openAgainAt) this.#begin();
      return resolved('none');
    }
    const { clock, answerMs, maxInFlight = 1000 } = this.#deps;
    if (this.#waiting.size >= (open.heard > 0 ? maxInFlight : 1)) return resolved('full');
    this.#lastId += 1n;
    const id = this.#lastId;
    const question = create(AuthorizeQuestionSchema, { id, request });
    if (!fits(question)) return resolved('unfit');
    return new Promise((resolve) => {
      const heardBefore = open.heard;
      const done = (outcome: Outcome): void => {
        this.#waiting.delete(id);
        timer.cancel();
        signal.removeEventListener('abort', drop);
        resolve(outcome);
      };
      const drop = (): void => done({ kind: 'dropped' });
      const timer = clock.setTimer(answerMs, () => {
        done({ kind: 'late' });
        // Others may have been answered meanwhile; a stream that is silent altogether is given up.
        if (open.heard === heardBefore) this.#over(open, silent(this.#pod, answerMs));
      });
      signal.addEventListener('abort', drop, { once: true });
      this.#waiting.set(id, done);
      // The limit above is what bounds this queue.
      void open.queue.push(question);
      if (signal.aborted) drop();
    });
  }

  /** Whoever waits is told `broken`. Nothing may be asked after it. */
  async close(): Promise<void> {
    this.#openAgainAt = Number.POSITIVE_INFINITY;
    if (this.#open) this.#over(this.#open, undefined);
    await this.#running;
  }

  #begin(): void {
    const open: Open = { call: this.#deps.open(this.#pod), queue: new SendQueue(), heard: 0 };
    this.#open = open;
    this.#running = Promise.all([this.#running, this.#send(open), this.#read(open)]).then(() => undefined);
  }

  async #send(open: Open): Promise<void> {
    try {
      for await (const first of open.queue) {
        // What else this turn of the event loop has to ask goes along: frames come in bunches.
        await nextTurn();
        // Whoever waited for room too long has asked by route.
        const questions = [first, ...open.queue.take(maxTogether - 1)].filter(({ id }) =>
          this.#waiting.has(id),
        );
        if (questions.length > 0) await open.call.send({ questions });
      }
    } catch (err) {
      this.#over(open, err);
    }
  }

  async #read(open: Open): Promise<void> {
    try {
      for await (const answer of open.call.responses) this.#take(open, answer);
      this.#over(open, undefined);
    } catch (err) {
      this.#over(open, err);
    }
  }

  #take(open: Open, { pod, answers }: AuthorizeStreamResponse): void {
    if (pod !== this.#pod) {
      throw new SallyportError('INTERNAL', { message: `${pod} answered for ${this.#pod}` });
    }
    open.heard += answers.length;
    this.#pause.reset();
    for (const answer of answers) this.#settle(answer);
  }

  #settle({ id, result }: AuthorizeAnswer): void {
    const done = this.#waiting.get(id);
    if (result.case === 'response') done?.({ kind: 'answered', response: result.value });
    else done?.({ kind: result.value === 'NOT_HELD' ? 'not_held' : 'refused' });
  }

  /** The first time counts. */
  #over(open: Open, err: unknown): void {
    if (this.#open !== open) return;
    this.#open = undefined;
    this.#openAgainAt = Math.max(
      this.#openAgainAt,
      this.#deps.clock.monotonic() + Math.max(1, this.#pause.next()),
    );
    this.#deps.log.debug({ err, asked: this.#pod }, 'a stream of questions has ended');
    open.queue.end();
    open.call.cancel();
    for (const done of [...this.#waiting.values()]) done({ kind: 'broken' });
  }
}

const resolved = (kind: Exclude<Outcome['kind'], 'answered'>): Promise<Outcome> => Promise.resolve({ kind });

function fits(question: AuthorizeQuestion): boolean {
  try {
    checkRequest(AuthorizeQuestionSchema, question);
    return true;
  } catch {
    // Asked by route it is refused alone, and with the reason.
    return false;
  }
}

const silent = (pod: string, ms: number): SallyportError =>
  new SallyportError('DEADLINE', { message: `${pod} has answered nothing for ${ms} ms` });
