import type { ClaimDocument } from './document.ts';
import type { ClaimTest } from './policy.ts';
import { compareVersions, parseVersion } from './version-compare.ts';

type Scalar = string | number | boolean;

/** Claims come as text from some apps, so `true` equals `"true"` and `3` equals `"3"`. */
export function compileClaim(wanted: ClaimDocument): ClaimTest['test'] {
  if (typeof wanted !== 'object') return (value) => String(value) === String(wanted);
  if ('oneOf' in wanted) {
    const accepted = new Set(wanted.oneOf.map(String));
    return (value) => accepted.has(String(value));
  }
  const { min, max } = wanted;
  return (value) => {
    const aboveMin = min === undefined ? 0 : compareClaim(value, min);
    const belowMax = max === undefined ? 0 : compareClaim(value, max);
    return aboveMin === undefined || belowMax === undefined ? undefined : aboveMin >= 0 && belowMax <= 0;
  };
}

/** By value with a number, as versions with a text; undefined when `value` is neither. */
function compareClaim(value: Scalar, bound: string | number): number | undefined {
  if (typeof bound === 'number') {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof number === 'number' && Number.isFinite(number) ? number - bound : undefined;
  }
  const left = parseVersion(String(value));
  const right = parseVersion(bound);
  return left && right && compareVersions(left, right);
}
