/** A version that has been read: its numbers, and what marks it as coming before the release. */
export interface Version {
  readonly numbers: readonly number[];
  readonly preRelease: readonly string[];
}

const shape =
  /^[vV]?(\d{1,15}(?:\.\d{1,15}){0,9})(?:[-._ ]?([A-Za-z][0-9A-Za-z.-]*)|-([0-9A-Za-z][0-9A-Za-z.-]*))?(?:\+[0-9A-Za-z.-]*)?(?: ?\([^()]*\))?$/;

/**
 * Reads dotted numbers with an optional pre-release, as apps in the field write them: `1.2`, `v1.2.0`,
 * `1.2.0-rc.1`, `1.2b3`, `1.2.0+build7`, `1.2.0 (4711)`. Build metadata does not count (semver.org §10).
 * Undefined for anything else, or when longer than 64 characters.
 */
export function parseVersion(text: string): Version | undefined {
  if (text.length > 64) return undefined;
  const match = shape.exec(text);
  if (!match) return undefined;
  const preRelease = match[2] ?? match[3];
  return {
    numbers: (match[1] ?? '').split('.').map(Number),
    preRelease: preRelease ? preRelease.split(/[.-]/).filter((part) => part !== '') : [],
  };
}

/** Negative, zero or positive; missing numbers are zeros, a pre-release comes before its release. */
export function compareVersions(a: Version, b: Version): number {
  const length = Math.max(a.numbers.length, b.numbers.length);
  for (let i = 0; i < length; i++) {
    const difference = (a.numbers[i] ?? 0) - (b.numbers[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return comparePreReleases(a.preRelease, b.preRelease);
}

/** semver.org §11: numbers by value and before words, words by ASCII, the shorter list first. */
function comparePreReleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return b.length - a.length;
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const left = a[i] ?? '';
    const right = b[i] ?? '';
    const leftIsNumber = /^\d+$/.test(left);
    if (leftIsNumber !== /^\d+$/.test(right)) return leftIsNumber ? -1 : 1;
    const difference = leftIsNumber ? Number(left) - Number(right) : compareText(left, right);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
