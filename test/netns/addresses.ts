import { randomInt } from 'node:crypto';
import { ipHere } from './namespace.ts';

/** Tries to find a range that nobody uses. */
const tries = 100;

/** A network of 256 addresses, `10.x.y`, which no route of this namespace touches at present. */
export async function freePrefix(): Promise<string> {
  const routes = JSON.parse(await ipHere('-j -4 route show table all')) as { dst: string }[];
  const taken = routes.flatMap(({ dst }) => rangeOf(dst));
  for (let n = 0; n < tries; n++) {
    const prefix = `10.${randomInt(256)}.${randomInt(1, 256)}`;
    const [first, last] = rangeOf(`${prefix}.0/24`)[0] ?? [0, 0];
    if (taken.every(([from, to]) => to < first || from > last)) return prefix;
  }
  throw new Error('no network 10.x.y.0/24 is free here');
}

/** First and last address of `a.b.c.d/n`, as numbers; none for a default route. */
function rangeOf(destination: string): [number, number][] {
  const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(destination);
  if (match === null) return [];
  const [a = 0, b = 0, c = 0, d = 0, bits = 32] = match.slice(1).map((part) => Number(part ?? 32));
  const first = ((a * 256 + b) * 256 + c) * 256 + d;
  return bits === 0 ? [] : [[first, first + 2 ** (32 - bits) - 1]];
}
