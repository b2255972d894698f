/** Writes suite-1.json. Run it by hand, and only when the protocol has changed: `node core/channel/vectors/write.ts`. */
import { writeFileSync } from 'node:fs';
import { makeVectors } from './make-vectors.ts';

writeFileSync(
  new URL('suite-1.json', import.meta.url),
  `${JSON.stringify(await makeVectors(), undefined, 2)}\n`,
);
