/**
 * Writes suite-1.json and suite-1-wrong.json. Run it by hand, and only when the protocol has changed:
 * `node core/channel/vectors/write.ts`.
 */
import { writeFileSync } from 'node:fs';
import { makeVectors } from './make-vectors.ts';
import { makeWrong } from './make-wrong.ts';

const write = (name: string, value: unknown): void =>
  writeFileSync(new URL(name, import.meta.url), `${JSON.stringify(value, undefined, 2)}\n`);

const vectors = await makeVectors();
write('suite-1.json', vectors);
write('suite-1-wrong.json', {
  about: 'What must be refused, and with which reason; see docs/PROTOCOL.md, "Test vectors".',
  cases: makeWrong(vectors),
});
