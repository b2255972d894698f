import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { UsageError } from './failure.ts';
import { readText } from './read-text.ts';

describe('text that a command reads', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'sp-text-'));
  });
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));

  const read = (content: string | Buffer, maxBytes = 10): Promise<string> => {
    writeFileSync(join(cwd, 'file'), content);
    return readText('file', { cwd, signal: new AbortController().signal }, maxBytes);
  };

  it('is what the file says, up to the limit', async () => {
    assert.equal(await read('grüße 1'), 'grüße 1');
    assert.equal(await read('x'.repeat(10)), 'x'.repeat(10));
    await assert.rejects(read('x'.repeat(11)), UsageError);
    await assert.rejects(readText('none', { cwd, signal: new AbortController().signal }, 10), {
      code: 'ENOENT',
    });
  });

  it('is refused when it is not UTF-8, where two passwords would become one', async () => {
    await assert.rejects(read(Buffer.from([0x61, 0xff])), UsageError);
  });

  it('is waited for when it comes from a pipe whose writer takes its time', async () => {
    const script = `
      import { readText } from ${JSON.stringify(new URL('./read-text.ts', import.meta.url).href)};
      process.stdout.write('ready');
      process.stdout.write(await readText('-', { cwd: '.', signal: new AbortController().signal }, 100));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (said === '') {
        child.stdin.write('slow ');
        setTimeout(() => child.stdin.end('writer'), 50);
      }
      said += String(chunk);
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 0);
    assert.equal(said, 'readyslow writer');
  });
});
