import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { seededRandom } from '../random.ts';
import type { RowFigure } from '../row-figure.ts';
import { killAtRandom } from './kill-at-random.ts';
import { type Ended, effectsOf, type Input, type Place, Work } from './work.ts';

/** A place that does at once what is submitted, and a receiver, of which a test takes what it wants. */
function world(find: (input: Input) => Ended) {
  const tasks = new Map<string, Input>();
  const receiver = {
    ...{ url: 'http://127.0.0.1:1/', keys: [] as string[], effects: [] as string[], next: [] },
    close: async () => {},
  };
  const submitted: string[] = [];
  const retried: string[] = [];
  const place: Place = {
    submit: async (input, requestKey) => {
      submitted.push(requestKey);
      tasks.set(input.label, input);
      receiver.effects.push(...effectsOf(input));
      receiver.keys.push(...effectsOf(input));
      return input.label;
    },
    find: async (id) => find(tasks.get(id) as Input),
    retry: async (id) => void retried.push(id),
  };
  return { receiver, submitted, retried, place, work: new Work(place, receiver) };
}

const well = ({ steps, takenBack }: Input): Ended => ({
  state: takenBack ? 'failed' : 'done',
  names: Array.from({ length: steps }, (_, n) => `effect ${n + 1}`),
});

describe('tasks under which workers are killed', () => {
  it('are judged by their journals and by what their receiver has got', async () => {
    const { work, receiver, retried } = world((input) =>
      input.label === 'task-1' ? { state: 'dead', names: ['effect 1'] } : well(input),
    );
    await work.keepUp();
    assert.deepEqual(await work.unfinished(), ['task-1 (task-1) is dead']);
    assert.deepEqual([retried, work.retried], [['task-1'], 1]);
    receiver.effects.splice(receiver.effects.indexOf('task-0 effect 2'), 1, 'task-0 effect 1', 'of nobody');
    receiver.keys.push('task-3 effect 1');
    const { lost, doubled, again } = await work.judge();
    assert.equal(lost.filter((each) => each === 'task-0 effect 2 was not had').length, 1);
    assert.equal(lost.filter((each) => /^task-1 effect [2-6] is not in its journal$/.test(each)).length, 5);
    assert.equal(lost.length, 6);
    assert.deepEqual(doubled, ['task-0 effect 1, 2 times', 'of nobody, which nobody is to have']);
    assert.equal(again, 1);
  });

  it('are submitted again under their keys when nobody could take them', async () => {
    const { work, place, submitted } = world(well);
    const { submit } = place;
    place.submit = () => Promise.reject(new SallyportError('DB_UNAVAILABLE'));
    await work.keepUp();
    assert.equal(work.tasks.size, 0);
    place.submit = submit;
    await work.keepUp();
    assert.equal(work.tasks.size, submitted.length);
    assert.equal(new Set(submitted).size, submitted.length);
  });

  it('lose whoever the seed names', async () => {
    const victims = async (seed: number): Promise<string[]> => {
      const { work } = world(well);
      const killed: string[] = [];
      const figures: RowFigure[] = [];
      await killAtRandom({
        ...{ work, kills: 12, everyMs: [0, 1], random: seededRandom(seed) },
        ...{ signal: new AbortController().signal, note: () => {}, progress: () => {} },
        figure: (figure) => void figures.push(figure),
        victims: ['a-0', 'a-1', 'b-0'].map((name) => ({
          name,
          kill: async () => {
            if (name === 'b-0') return false;
            killed.push(name);
            return true;
          },
        })),
      });
      assert.ok(
        figures.some(({ name, value, atMost }) => name === 'steps lost' && value === 0 && atMost === 0),
      );
      return killed;
    };
    const first = await victims(7);
    assert.equal(first.length, 12);
    assert.deepEqual(await victims(7), first);
    assert.notDeepEqual(await victims(8), first);
  });
});
