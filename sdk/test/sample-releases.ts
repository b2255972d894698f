/** Two releases of a sample app: what a package holds, and what changes from one to the next. */
import { createHash } from 'node:crypto';

/** Bytes that do not compress, the same for each seed: pictures, compiled code. */
function* noise(seed: string, blocks: number): Generator<Buffer> {
  for (let n = 0; n < blocks; n++) yield createHash('sha512').update(`${seed} ${n}`).digest();
}

const megabyte = (seed: string): Buffer => Buffer.concat([...noise(seed, 2 ** 14)]);
const text = (seed: string): Buffer =>
  Buffer.from(
    Array.from({ length: 2000 }, (_, n) => `${seed}.label.${n} = "Text ${n * 7919} of ${seed}"\n`).join(''),
  );

/**
 * Packages of about so many MiB. The second has another code section (a tenth), a new picture near the beginning (so
 * that all behind it has moved), and texts that are changed here and there.
 */
export function sampleReleases(mebibytes: number): readonly [Buffer, Buffer] {
  const sections = Array.from({ length: mebibytes }, (_, n) => megabyte(`section ${n}`));
  const first = [text('one'), ...sections, text('two')];
  const changed = sections.map((section, n) => (n % 10 === 3 ? megabyte(`changed ${n}`) : section));
  const edited = Buffer.from(text('one').toString().replaceAll('99', 'ninety-nine'));
  const second = [edited, megabyte('new picture').subarray(0, 300_000), ...changed, text('two')];
  return [Buffer.concat(first), Buffer.concat(second)];
}
