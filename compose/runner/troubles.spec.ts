import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { type Ended, isAway, lately, troublesOf, wordsOfTrouble } from './troubles.ts';

const nowMs = 100_000;
const told = (ended: Ended | undefined, missed = 0) =>
  troublesOf(new Map([['gw-hr-0 process', { ended }]]), new Map([['gw-hr-0', missed]])).map((each) => [
    wordsOfTrouble(each, nowMs),
    isAway(each),
  ]);

describe('troubles of processes', () => {
  it('are told of one that hangs, not of one that was late once', () => {
    assert.deepEqual(told(undefined, 1), []);
    assert.deepEqual(told(undefined, 5), [
      ['hangs: it has not answered 5 times; after 8 it is killed and started again', true],
    ]);
  });

  it('are told of one that has crashed: how, how often, and when it is started again', () => {
    const ended = { times: 1, how: 'SIGKILL', atMs: 98_000 };
    assert.deepEqual(told(ended), [['ended (SIGKILL); started again 2.0 s ago', false]]);
    assert.deepEqual(told({ ...ended, times: 4, how: 'exit code 1', againAtMs: 101_600 }), [
      ['ended (exit code 1), 4 times in a row; is started again in 1.6 s', true],
    ]);
    const noted = [{ name: 'gw-hr-0 process', ended }];
    assert.deepEqual([lately(noted, nowMs).length, lately(noted, nowMs + 60_000).length], [1, 0]);
  });
});
