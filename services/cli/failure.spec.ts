import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'mocha';
import { PartsError } from '#compose/parts/errors.ts';
import { SallyportError } from '#core/errors/error.ts';
import { Interrupted } from './context.ts';
import { failureOf, UsageError } from './failure.ts';

describe('failures', () => {
  it('have a code, a hint and an exit code, whatever was thrown', () => {
    const thrown: [unknown, string, number][] = [
      [new Interrupted('SIGINT'), 'INTERRUPTED', 130],
      [new UsageError('no', 'so'), 'USAGE', 2],
      [new SallyportError('MESH_RUNNING'), 'MESH_RUNNING', 1],
      [new PartsError('FETCH_FAILED', 'no', { hint: 'so', tried: ['a mirror'] }), 'FETCH_FAILED', 1],
      [new TypeError('a defect'), 'INTERNAL', 1],
      ['a string', 'INTERNAL', 1],
    ];
    for (const [error, code, exitCode] of thrown) {
      const failure = failureOf(error);
      assert.deepEqual([failure.code, failure.exitCode], [code, exitCode]);
      assert.ok(failure.hint !== '' && failure.message !== '');
    }
  });

  it('name a field that was refused without the message of the contract that it stands in', () => {
    const text = 'sallyport.directory.v1.CreateUserRequest: password: must be longer';
    const { message, hint } = failureOf(new SallyportError('INVALID_FIELD', { message: text }));
    assert.equal(message, 'password: must be longer');
    assert.match(hint, /--help/);
    const own = failureOf(new SallyportError('INVALID_FIELD', { message: 'no', hint: 'add --force' }));
    assert.equal(own.hint, 'add --force');
  });

  it('say all that was tried to get a part', () => {
    const { message } = failureOf(new PartsError('FETCH_FAILED', 'no', { hint: 'so', tried: ['a mirror'] }));
    assert.match(message, /tried: a mirror/);
  });

  it('keep the system’s own word for what the system refused', () => {
    try {
      readFileSync('/nowhere/at all');
      assert.fail('it is there');
    } catch (error) {
      const { code, message } = failureOf(error);
      assert.deepEqual([code, message], ['ENOENT', "no such file or directory, open '/nowhere/at all'"]);
    }
  });

  it('show the cause of what went wrong in here', () => {
    const { message } = failureOf(new SallyportError('INTERNAL', { cause: new TypeError('a defect') }));
    assert.match(message, /a defect/);
  });
});
