import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, it } from 'mocha';
import { completionScript, shells } from './completion.ts';
import { buildProgram } from './run-cli.ts';
import { testContext } from './test-context.ts';

describe('shell completion', () => {
  const program = buildProgram(testContext().context, { code: 0 });

  it('knows every command and its options, for each shell', () => {
    for (const shell of shells) {
      const script = completionScript(program, shell);
      for (const word of ['sessions', 'revoke', 'dry-run', 'doctor'])
        assert.ok(script.includes(word), `${shell}: ${word}`);
    }
    assert.doesNotMatch(completionScript(program, 'bash'), /followed/);
  });

  it('completes in bash', () => {
    const complete = (...words: string[]): string[] => {
      const line = ['sallyport', ...words];
      const script = `${completionScript(program, 'bash')}
        COMP_WORDS=(${line.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${line.length - 1}
        _sallyport; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split('\n');
    };
    assert.deepEqual(complete('sess'), ['sessions']);
    assert.deepEqual(complete('sessions', 're'), ['revoke']);
    assert.deepEqual(complete('policy', 'apply', '--dry'), ['--dry-run']);
    assert.deepEqual(complete('sessions', 'list', '--user', 'anna', '--en'), ['--ended']);
  });
});
