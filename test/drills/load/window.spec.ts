import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mock } from 'node:test';
import { after, afterEach, describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { judgeHistory } from '../judge-history.ts';
import { machineNow } from './context.ts';
import { Recording } from './recording.ts';
import { Trail } from './trail.ts';
import { Normal, Window } from './window.ts';

describe("a drill's record of its faults", () => {
  const dir = mkdtempSync(join(tmpdir(), 'sp-window-'));
  const recording = new Recording(dir, 'run');
  after(() => rmSync(dir, { recursive: true, force: true }));
  afterEach(() => mock.timers.reset());

  const unknown = (window: Window): void => {
    const order = window.begin('once', 'phone', {
      ...{
        kind: 'request',
        client: 'phone',
        session: 's',
        method: 'POST',
        path: '/orders',
        repeatable: false,
      },
    });
    window.failed(order, new SallyportError('UNKNOWN_OUTCOME'));
  };
  const judge = async (window: Window): Promise<readonly string[]> => {
    window.endFaults();
    const files = recording.end(window.history, []);
    return (await judgeHistory(files, { env: {}, progress: () => {} })).wrong;
  };
  const newWindow = (): Window =>
    new Window(new Normal(), machineNow, new Trail(machineNow), recording.begin());

  it('finds an UNKNOWN_OUTCOME for which there was no reason', async () => {
    const window = newWindow();
    unknown(window);
    window.broken();
    assert.match((await judge(window)).join(), /^unknown-without-cause/);
  });

  it('allows a request to be refused only if it was begun when relaying may have ended', () => {
    const now = { ms: 0 };
    const window = new Window(new Normal(), () => now.ms, new Trail(() => now.ms), recording.begin());
    window.broken(15_000);
    const refuse = (begun: number, ended: number): void => {
      now.ms = begun;
      const request = window.begin('get', 'phone');
      now.ms = ended;
      window.failed(request, new SallyportError('DB_UNAVAILABLE', { retryAfterMs: 500 }));
    };
    refuse(14_000, 44_000);
    refuse(15_000, 20_000);
    now.ms = 40_000;
    window.mended();
    refuse(80_000, 80_500);
    const { failed, refused } = window.report('get');
    assert.deepEqual([failed, refused], [2, 1]);
  });

  it('lets a fault last that began soon after another one was mended', async () => {
    const window = newWindow();
    mock.timers.enable({ apis: ['setTimeout'] });
    window.broken();
    window.mended();
    window.broken();
    // Longer than what was mended counts on.
    mock.timers.tick(60_000);
    mock.timers.reset();
    unknown(window);
    assert.deepEqual(await judge(window), []);
  });
});
