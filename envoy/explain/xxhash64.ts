const mask = (1n << 64n) - 1n;
const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;

const rotate = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask;
const round = (acc: bigint, lane: bigint): bigint =>
  (rotate((acc + lane * prime2) & mask, 31n) * prime1) & mask;
const mergeRound = (acc: bigint, value: bigint): bigint =>
  ((acc ^ round(0n, value)) * prime1 + prime4) & mask;

/** XXH64 (the xxHash specification), which Envoy hashes by. A few microseconds a call: for tools, not for traffic. */
export function xxHash64(text: string, seed = 0n): bigint {
  const data = Buffer.from(text, 'utf8');
  const { length } = data;
  let at = 0;
  let hash: bigint;
  if (length >= 32) {
    let [a, b, c, d] = [
      (seed + prime1 + prime2) & mask,
      (seed + prime2) & mask,
      seed,
      (seed - prime1) & mask,
    ] as [bigint, bigint, bigint, bigint];
    for (; at + 32 <= length; at += 32) {
      a = round(a, data.readBigUInt64LE(at));
      b = round(b, data.readBigUInt64LE(at + 8));
      c = round(c, data.readBigUInt64LE(at + 16));
      d = round(d, data.readBigUInt64LE(at + 24));
    }
    hash = (rotate(a, 1n) + rotate(b, 7n) + rotate(c, 12n) + rotate(d, 18n)) & mask;
    for (const lane of [a, b, c, d]) hash = mergeRound(hash, lane);
  } else hash = (seed + prime5) & mask;
  hash = (hash + BigInt(length)) & mask;
  for (; at + 8 <= length; at += 8)
    hash = (rotate(hash ^ round(0n, data.readBigUInt64LE(at)), 27n) * prime1 + prime4) & mask;
  if (at + 4 <= length) {
    hash ^= (BigInt(data.readUInt32LE(at)) * prime1) & mask;
    hash = (rotate(hash, 23n) * prime2 + prime3) & mask;
    at += 4;
  }
  for (; at < length; at++)
    hash = (rotate(hash ^ ((BigInt(data.readUInt8(at)) * prime5) & mask), 11n) * prime1) & mask;
  hash = ((hash ^ (hash >> 33n)) * prime2) & mask;
  hash = ((hash ^ (hash >> 29n)) * prime3) & mask;
  return hash ^ (hash >> 32n);
}
