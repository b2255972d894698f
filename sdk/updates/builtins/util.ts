/** As much of Node's `util` as `@tufjs/models` uses, of values that come from JSON. */
function isDeepStrictEqual(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  return (
    Array.isArray(a) === Array.isArray(b) &&
    left.length === right.size &&
    left.every(([name, value]) => right.has(name) && isDeepStrictEqual(value, right.get(name)))
  );
}

// biome-ignore lint/style/noDefaultExport: as such the CommonJS of @tufjs/models imports it
export default { isDeepStrictEqual };
