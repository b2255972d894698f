import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { Vectors } from './form.ts';
import { makeVectors } from './make-vectors.ts';
import { givenFor, givenForFrames, makeWrong, type WrongCase } from './make-wrong.ts';
import { receiveFrames, receiveMessages, receivers, type Step } from './receive.ts';

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
const vectors = read('suite-1.json') as Vectors;
const { cases } = read('suite-1-wrong.json') as { cases: readonly WrongCase[] };

describe('test vectors of suite 1', () => {
  it('are what the code makes', async () => {
    assert.deepEqual(await makeVectors(), vectors);
    assert.deepEqual(makeWrong(vectors), cases);
  });

  // Or a receiver that refuses everything would pass.
  for (const step of Object.keys(receivers) as Step[]) {
    it(`are accepted as they stand: ${step}`, async () => {
      await receivers[step](givenFor(step, vectors));
    });
  }

  for (const wrong of cases) {
    it(`are refused with ${wrong.reason}: ${wrong.step}, ${wrong.name}`, async () => {
      await assert.rejects(
        async () => receive(wrong),
        (error) => error instanceof SallyportError && error.reason === wrong.reason,
      );
    });
  }
});

/** Whatever comes before the wrong thing is good. */
async function receive(wrong: WrongCase): Promise<void> {
  if (wrong.step === 'frames') {
    const given = givenForFrames(wrong.direction, vectors);
    receiveFrames(given, wrong.frames.slice(0, -1));
    receiveFrames(given, wrong.frames);
  } else if (wrong.step === 'messages') {
    receiveMessages(wrong.role, wrong.messages.slice(0, -1));
    receiveMessages(wrong.role, wrong.messages);
  } else {
    await receivers[wrong.step]({ ...givenFor(wrong.step, vectors), ...wrong.change });
  }
}
