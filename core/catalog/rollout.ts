import { compareVersions, parseVersion } from '../policy/version-compare.ts';

/** What a channel offers. */
export interface Rollout {
  /** The release that is being rolled out. */
  readonly version: string;
  /** What the others are offered; undefined: nothing. */
  readonly previous?: string | undefined;
  /** 0 to 100. */
  readonly percent: number;
  readonly groups: readonly string[];
  readonly halted: boolean;
}

/** Which versions of an app may open sessions. */
export interface VersionRules {
  /** Empty: any. */
  readonly minVersion: string;
  readonly blocked: readonly string[];
}

export interface Candidate {
  readonly installed: string;
  /** Of the user. */
  readonly groups: readonly string[];
  /** 0 to 9,999; see {@link bucketOf}. */
  readonly bucket: number;
  /** Releases that nobody is offered. */
  readonly withdrawn: ReadonlySet<string>;
}

/**
 * Where a device stands in the line for a release, 0 to 9,999: evenly spread, the same each time, and another one for
 * each release, so that it is not always the same who go first. `sha256` of "<app>/<version>/<device>", UTF-8.
 */
export function bucketOf(sha256: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = sha256;
  return (((a << 24) | (b << 16) | (c << 8) | d) >>> 0) % 10_000;
}

/**
 * The version that a device should have, undefined to stay as it is. Nobody is taken back to an older release than
 * the installed one, unless that was withdrawn.
 */
export function offer(
  rollout: Rollout | undefined,
  rules: VersionRules,
  device: Candidate,
): string | undefined {
  if (rollout === undefined) return undefined;
  const { installed, withdrawn } = device;
  const chosen =
    rollout.groups.some((group) => device.groups.includes(group)) || device.bucket < rollout.percent * 100;
  // A halted rollout takes in nobody else; whoever must leave what he has goes to what went before.
  const wanted = chosen && !rollout.halted ? rollout.version : rollout.previous;
  if (wanted === undefined || wanted === installed || withdrawn.has(wanted)) return undefined;
  if (refused(rules, wanted) !== undefined) return undefined;
  if (isNewer(wanted, installed) || withdrawn.has(installed)) return wanted;
  return undefined;
}

/** Why a version may not be used; undefined: it may. One that cannot be read is older than any lowest version. */
export function refused(rules: VersionRules, version: string): 'too-old' | 'blocked' | undefined {
  const same = (other: string): boolean => other === version || compare(other, version) === 0;
  if (rules.blocked.some(same)) return 'blocked';
  if (rules.minVersion === '') return undefined;
  const order = compare(version, rules.minVersion);
  return order === undefined || order < 0 ? 'too-old' : undefined;
}

/** False when one of them cannot be read. */
export const isNewer = (a: string, b: string): boolean => (compare(a, b) ?? 0) > 0;

function compare(a: string, b: string): number | undefined {
  const [left, right] = [parseVersion(a), parseVersion(b)];
  return left && right && compareVersions(left, right);
}
