import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { buildProgram, runCli } from './run-cli.ts';
import { testContext } from './test-context.ts';

describe('the command line', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'sp-cli-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const run = async (...args: string[]) => {
    const { context, written } = testContext({ cwd: dir });
    return { code: await runCli(args, context), ...written };
  };

  it('has help with examples for every command', () => {
    const { context } = testContext();
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    for (const command of all(buildProgram(context, { code: 0 }))) {
      let help = '';
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
      });
      command.outputHelp();
      assert.match(help, /Examples:\n {2}sallyport /, command.name());
    }
  });

  it('ends with 0 for help and 2 for what it does not know, with code and hint', async () => {
    assert.equal((await run('up', '--help')).code, 0);
    for (const args of [[], ['fly'], ['up', '--bogus'], ['up', '--db', '0'], ['device', 'get']]) {
      const { code, err, out } = await run(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, /^error USAGE: .+\nhint: .+\n$/m, args.join(' '));
      assert.equal(out, '');
    }
  });

  it('ends with one JSON object on standard output, also when it fails', async () => {
    const { code, out, err } = await run('status', '--json');
    assert.equal(code, 1);
    assert.match(err, /^error MESH_NOT_RUNNING: /);
    const told = JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
    assert.equal(told.name, 'status');
    assert.equal(told.ok, false);
    assert.equal((told.error as { code: string }).code, 'MESH_NOT_RUNNING');
  });

  it('does not take the current folder for a mesh’s when none is named', async () => {
    const { code, err } = await run('down', '--wipe', '--state', '');
    assert.equal(code, 2);
    assert.match(err, /^error USAGE: .+\nhint: .+\n$/m);
  });

  it('has nothing to stop where nothing runs', async () => {
    const { code, out } = await run('down', '--json');
    assert.equal(code, 0);
    const { ok, stopped } = JSON.parse(out) as { ok: boolean; stopped: boolean };
    assert.deepEqual({ ok, stopped }, { ok: true, stopped: false });
  });

  it('takes the folder from --state, else from SALLYPORT_STATE, else .sallyport', async () => {
    const stateOf = async (env: NodeJS.ProcessEnv, ...args: string[]): Promise<unknown> => {
      const { context, written } = testContext({ cwd: dir, env });
      await runCli(['down', '--json', ...args], context);
      return (JSON.parse(written.out) as { state: unknown }).state;
    };
    assert.equal(await stateOf({}), join(dir, '.sallyport'));
    assert.equal(await stateOf({ SALLYPORT_STATE: 'a' }), join(dir, 'a'));
    assert.equal(await stateOf({ SALLYPORT_STATE: 'a' }, '--state', 'b'), join(dir, 'b'));
  });
});
