/**
 * Loads AuthorizeStream as a proxy does: so many questions under way, each answer makes room for the next, and what one
 * turn of the event loop has to ask goes in one message (services/proxy/authorize-stream.ts). Questions were encoded
 * before, and of an answer no more than its length is looked at: the load must cost less than the server.
 */
import { serveBench } from '../harness/child.ts';
import type { SliceAnswer } from '../harness/interleave.ts';
import { asItIs, rawClient } from './raw-client.ts';

export interface AuthorizeStreamLoad {
  readonly socket: string;
  readonly path: string;
  /** base64 of AuthorizeQuestions; they are sent again and again, under the same numbers. */
  readonly questions: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  readonly inFlight: number;
  /** In one message. */
  readonly maxTogether: number;
  /** A shorter answer is a failure: it carries a reason instead of a grant. */
  readonly leastBytes: number;
}

export interface StreamAnswer extends SliceAnswer {
  readonly messages: { readonly asked: number; readonly answered: number };
}

/** Field 3 of the request, field 5 of the response; both have a length. */
const questionsTag = (3 << 3) | 2;
const answersTag = (5 << 3) | 2;

serveBench(async (load: AuthorizeStreamLoad) => {
  const questions = load.questions.map((text) => {
    const bytes = Buffer.from(text, 'base64');
    return Buffer.concat([Buffer.from([questionsTag, ...varint(bytes.length)]), bytes]);
  });
  const { client, metadata } = rawClient(load);
  return ({ run }: { run: number }): Promise<StreamAnswer> =>
    new Promise((resolve) => {
      const stream = client.makeBidiStreamRequest(load.path, asItIs, asItIs, metadata);
      const end = performance.now() + run;
      const messages = { asked: 0, answered: 0 };
      let asked = 0;
      let done = 0;
      let failed = 0;
      let toAsk = load.inFlight;
      let planned = false;
      const ask = (): void => {
        planned = false;
        const together: Buffer[] = [];
        for (; toAsk > 0 && together.length < load.maxTogether; toAsk--) {
          together.push(questions[asked++ % questions.length] ?? Buffer.alloc(0));
        }
        if (together.length === 0) return;
        messages.asked += 1;
        stream.write(Buffer.concat(together), () => plan());
      };
      const plan = (): void => {
        if (planned || toAsk === 0) return;
        planned = true;
        setImmediate(ask);
      };
      stream.on('data', (message: Buffer) => {
        messages.answered += 1;
        const lengths = answerLengths(message);
        for (const length of lengths) {
          if (length >= load.leastBytes) done += 1;
          else failed += 1;
        }
        if (performance.now() < end && failed < 100) {
          toAsk += lengths.length;
          plan();
        } else if (done + failed === asked) stream.end();
      });
      stream.on('error', (error) => process.stderr.write(`${load.path}: ${error.message}\n`));
      stream.on('status', () => resolve({ done, failed: asked - done, messages }));
      plan();
    });
});

/** Lengths of the answers in an AuthorizeStreamResponse. */
function answerLengths(message: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < message.length; ) {
    const tag = message[at++];
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message[at++] ?? 0;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (tag === answersTag) lengths.push(length);
    at += length;
  }
  return lengths;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left >>>= 7) bytes.push((left & 0x7f) | 0x80);
  return [...bytes, left];
}
