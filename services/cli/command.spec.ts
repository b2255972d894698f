import assert from 'node:assert/strict';
import { Command } from 'commander';
import { describe, it } from 'mocha';
import { type CommonOptions, wholeNumber, withCommon } from './command.ts';
import { testContext } from './test-context.ts';

describe('a command', () => {
  it('gets the arguments that were given, those that were parsed too, and none that was left out', async () => {
    const got: (readonly string[])[] = [];
    const program = new Command();
    const verb = program
      .command('sign')
      .argument('<id>', '', wholeNumber(1, 9))
      .argument('[note]')
      .argument('[more...]');
    withCommon<CommonOptions>(verb, 'sign', testContext().context, { code: 0 }, async (_, __, args) => {
      got.push(args);
      return { ok: true };
    });
    await program.parseAsync(['sign', '7'], { from: 'user' });
    await program.parseAsync(['sign', '7', 'a', 'b', 'c'], { from: 'user' });
    assert.deepEqual(got, [['7'], ['7', 'a', 'b', 'c']]);
  });
});
