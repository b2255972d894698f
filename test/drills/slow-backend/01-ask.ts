import type { Step } from '../drill.ts';

/** More than any pool of connections to one backend that has the size of a default. */
const requests = 300;

export const step: Step = async ({ load, broken, lastsMs, note }) => {
  await broken();
  await load.slow(requests, lastsMs);
  note(`${requests} requests for a page that takes ${lastsMs} ms`);
};
