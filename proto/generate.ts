/**
 * `npm run gen`: proto/ → gen/ (JavaScript and declarations, committed).
 * `npm run gen -- --check`: fails when gen/ is not what proto/ says, when lint finds something, or when a
 * contract breaks one that the newest release tag has.
 */
import { execFileSync } from 'node:child_process';
import { collectThirdParty } from './third-party.ts';

const deps = '.gen-deps';
const buf = (...args: string[]) => execFileSync('buf', args, { stdio: 'inherit' });
const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim();

collectThirdParty(deps);
if (process.argv.includes('--check')) {
  buf('lint', 'proto');
  const tag = git('tag', '--list', 'v*', '--sort=-v:refname').split('\n')[0];
  if (tag !== undefined && tag !== '') buf('breaking', 'proto', '--against', `.git#tag=${tag},subdir=proto`);
  buf('generate');
  const changed = git('status', '--porcelain', '--', 'gen');
  if (changed !== '') {
    process.stderr.write(`gen/ is not what proto/ says; run \`npm run gen\` and commit:\n${changed}\n`);
    process.exitCode = 1;
  }
} else {
  buf('generate');
}
