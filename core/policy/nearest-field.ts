const fields = (
  'version ignorePathCase resources name backend hosts pathPrefix methods gatewayGroup site assertion ' +
  'audience sendPassword limits maxBodyBytes rules effect groups users apps id minVersion maxVersion ' +
  'blockedVersions certDigests platforms minOsVersion maxOsVersion posture min max oneOf minAuthLevel ' +
  'networks times days from to tz'
).split(' ');

/** What to do about a field that does not belong where it stands, or nothing when none is spelt alike. */
export function nearestField(key: string): string | undefined {
  if (fields.includes(key)) return `${key} belongs elsewhere in a policy: check the indentation`;
  const [best] = fields
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return best && `did you mean ${best.name}?`;
}

/** Levenshtein's; keys longer than 40 characters are like none. */
function editDistance(a: string, b: string): number {
  if (a.length > 40) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? Infinity;
}
