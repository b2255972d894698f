import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { createLogger, silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Lifecycle } from './lifecycle.ts';
import { runProcess } from './run-process.ts';

class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  exit(code: number): void {
    this.exits.push(code);
  }
}

function recorder(): { log: ReturnType<typeof createLogger>; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line));
  return { log: createLogger({ pod: 'p', level: 'debug', destination: { write } }), lines };
}

const never = new Promise<never>(() => {});

describe('lifecycle', () => {
  it('starts in order, drains, and closes in reverse', async () => {
    const life = new Lifecycle({ log: silentLogger });
    const seen: string[] = [];
    for (const name of ['a', 'b']) {
      await life.start(
        name,
        () => seen.push(`+${name}`),
        () => seen.push(`-${name}`),
      );
    }
    life.defer('c', () => seen.push('-c'));
    life.onDrain('streams', () => seen.push(`drain ${life.state} ${life.stopping.aborted}`));
    life.running();
    assert.equal(life.state, 'running');
    await Promise.all([life.stop('test'), life.stop('again')]);
    assert.deepEqual(seen, ['+a', '+b', 'drain draining true', '-c', '-b', '-a']);
    assert.equal(life.state, 'stopped');
    await assert.rejects(
      life.start('late', () => {}),
      { reason: 'CANCELLED' },
    );
  });

  it('goes on past a part that hangs or fails while closing, naming it', async () => {
    const clock = new ManualClock();
    const { log, lines } = recorder();
    const life = new Lifecycle({ log, clock, closeMs: 5000 });
    const seen: string[] = [];
    life.defer('first', () => seen.push('first'));
    life.defer('hung', () => never);
    life.defer('broken', () => {
      throw new Error('no');
    });
    const stopped = life.stop('test');
    await clock.advance(5000);
    await stopped;
    assert.deepEqual(seen, ['first']);
    const told = lines.filter((line) => line.level === 'error').map((line) => line.part);
    assert.deepEqual(told, ['broken', 'hung']);
    assert.ok(lines.some((line) => line.msg === 'still waiting' && line.waitingFor === 'hung'));
  });

  it('a start has a bound, and a part that comes up too late is closed', async () => {
    const clock = new ManualClock();
    const life = new Lifecycle({ log: silentLogger, clock });
    const late = Promise.withResolvers<string>();
    const closed: string[] = [];
    const start = life.start(
      'db',
      () => late.promise,
      (part) => closed.push(part),
      { startMs: 100 },
    );
    const check = assert.rejects(start, { reason: 'DEADLINE', message: /db to start/ });
    await clock.advance(100);
    await check;
    late.resolve('db');
    await clock.advance(0);
    assert.deepEqual(closed, ['db']);
  });

  it('stopping while something starts ends the start and closes what has come up', async () => {
    const life = new Lifecycle({ log: silentLogger });
    const closed: string[] = [];
    const starting = life.start(
      'slow',
      (signal) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve(1), { once: true })),
      () => closed.push('slow'),
    );
    await Promise.all([starting, life.stop('test')]);
    assert.deepEqual(closed, ['slow']);
    assert.equal(life.readiness.ready, false);
  });

  it('is ready when it is running and all conditions hold', async () => {
    const { log, lines } = recorder();
    const life = new Lifecycle({ log });
    const seen: boolean[] = [];
    const unobserve = life.readiness.observe((ready) => seen.push(ready));
    const feed = life.readiness.condition('feed');
    life.running();
    assert.deepEqual(life.readiness.waitingFor, ['feed']);
    feed.set(true);
    feed.set(true);
    assert.equal(feed.met, true);
    feed.set(false, 'no primary for 20 s');
    feed.set(true);
    await life.stop('test');
    assert.deepEqual(seen, [false, true, false, true, false]);
    assert.ok(lines.some((line) => line.cause === 'feed: no primary for 20 s'));
    unobserve();
  });
});

describe('runProcess', () => {
  it('runs until a signal, closes, exits with 0', async () => {
    const events = new FakeProcess();
    const seen: string[] = [];
    const code = runProcess(
      async (life) => {
        await life.start(
          'a',
          () => seen.push('+'),
          () => seen.push('-'),
        );
        setImmediate(() => events.emit('SIGTERM'));
      },
      { log: silentLogger, events },
    );
    assert.equal(await code, 0);
    assert.deepEqual(seen, ['+', '-']);
    assert.deepEqual(events.exits, [0]);
    assert.equal(events.eventNames().length, 0);
  });

  it('ends at once at the second signal', async () => {
    const events = new FakeProcess();
    const code = runProcess(
      async (life) => {
        life.defer('hung', () => never, { timeoutMs: 1 });
        life.onDrain('hung', () => never);
        setImmediate(() => {
          events.emit('SIGINT');
          events.emit('SIGINT');
        });
      },
      { log: silentLogger, events, drainMs: 50 },
    );
    assert.equal(await code, 130);
  });

  it('a failed start closes what was started and exits with 1', async () => {
    const events = new FakeProcess();
    const { log, lines } = recorder();
    let closed = false;
    const code = await runProcess(
      async (life) => {
        life.defer('a', () => {
          closed = true;
        });
        throw new SallyportError('ROOT_KEY_UNAVAILABLE');
      },
      { log, events },
    );
    assert.equal(code, 1);
    assert.equal(closed, true);
    const fatal = lines.find((line) => line.level === 'fatal');
    assert.match(JSON.stringify(fatal), /ROOT_KEY_UNAVAILABLE.*hint/);
  });

  it('what nobody caught is fatal', async () => {
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      const events = new FakeProcess();
      const { log, lines } = recorder();
      const code = runProcess(
        async () => {
          setImmediate(() => events.emit(event, new Error('oops')));
        },
        { log, events },
      );
      assert.equal(await code, 1);
      assert.match(JSON.stringify(lines.at(-1)), /fatal.*oops/);
    }
  });

  it('a signal during the start is not a failure', async () => {
    const events = new FakeProcess();
    const code = runProcess(
      (life) =>
        life.start('db', (signal) => {
          setImmediate(() => events.emit('SIGTERM'));
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        }),
      { log: silentLogger, events },
    );
    assert.equal(await code, 0);
  });
});
