import { xxHash64 } from './xxhash64.ts';

/**
 * Envoy's Maglev table for pods of equal weight (the paper's listing 1, with each pod's hash_key hashed by
 * XXH64): place → index of the pod in `keys`. `size` is a prime.
 */
export function maglevTable(keys: readonly string[], size: number): Int32Array {
  const table = new Int32Array(size).fill(-1);
  if (keys.length === 0) return table;
  // Envoy fills in the order of the keys, whatever the order of the endpoints.
  const order = keys.map((key, index) => ({ key, index })).sort((a, b) => (a.key < b.key ? -1 : 1));
  const places = BigInt(size);
  const turns = order.map(({ key, index }) => ({
    index,
    at: Number(xxHash64(key) % places),
    skip: Number(xxHash64(key, 1n) % (places - 1n)) + 1,
  }));
  for (let filled = 0; filled < size; )
    for (const turn of turns) {
      while (table[turn.at] !== -1) turn.at = (turn.at + turn.skip) % size;
      table[turn.at] = turn.index;
      filled += 1;
      if (filled === size) break;
    }
  return table;
}

/** The pod to which a route key belongs, by pods' hash keys; undefined without pods. */
export function ownerOf(routeKey: string, keys: readonly string[], size: number): string | undefined {
  const index = maglevTable(keys, size)[Number(xxHash64(routeKey) % BigInt(size))];
  return index === undefined ? undefined : keys[index];
}

/** The owner of a route key, then who would own it if those before were gone. */
export function successionOf(routeKey: string, keys: readonly string[], size: number): string[] {
  const owner = ownerOf(routeKey, keys, size);
  if (owner === undefined) return [];
  return [
    owner,
    ...successionOf(
      routeKey,
      keys.filter((key) => key !== owner),
      size,
    ),
  ];
}
