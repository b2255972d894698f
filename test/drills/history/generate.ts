/** Correct histories, for the specs of the checker: what each planted bug is planted in. */
import fc from 'fast-check';
import type { HistoryRecord } from './schema.ts';

/** A record without its stamps, at a time; some are put together and then sorted. */

export const run = 'run-1';

export const headOf = (recorder = 'load'): HistoryRecord => ({
  ...{ type: 'history', version: 1, at: 0, wall: 0, run, recorder, boot: 'boot-1' },
});

/** What a device does, one thing after another: each with how long it takes and waits (ms). */
const step = fc.record({
  what: fc.constantFrom('get', 'post', 'keyed', 'unknown', 'failed', 'stream', 'attach'),
  takes: fc.integer({ min: 2, max: 400 }),
  waits: fc.integer({ min: 1, max: 200 }),
});
const device = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 8 }),
  begins: fc.integer({ min: 1, max: 300 }),
  revoked: fc.boolean(),
});

/** Histories of several devices that enrol, log in, ask, and are perhaps revoked; all of it as it must be. */
export const correctHistory: fc.Arbitrary<HistoryRecord[]> = fc
  .array(device, { minLength: 1, maxLength: 5 })
  .map((devices) => {
    const records: HistoryRecord[] = [];
    let epochs = 0;
    for (const [n, { steps, begins, revoked }] of devices.entries()) {
      const client = `device-${n}`;
      const user = `user-${n % 2}`;
      const [enrolment, session] = [`key-${n}`, `session-${n}`];
      let at = begins;
      let ops = 0;
      const stamped = (when: number): { at: number; wall: number } => ({ at: when, wall: 1e6 + when });
      const invoke = (more: object, takes: number, ending: object | undefined): string => {
        ops += 1;
        const op = `${client}-${ops}`;
        records.push({ type: 'invoke', ...stamped(at), op, client, ...more } as HistoryRecord);
        if (ending !== undefined) {
          const done = { type: 'complete', ...stamped(at + takes), op, outcome: 'ok', ...ending };
          records.push(done as HistoryRecord);
        }
        return op;
      };
      const attach = (): void => {
        epochs += 1;
        const epoch = epochs.toString(16).padStart(32, '0');
        records.push({
          ...{ type: 'attached', ...stamped(at + 1), since: at, client, session, epoch, proxy: 'proxy-0' },
        });
      };
      invoke({ kind: 'enroll', user }, 2, { enrolment });
      at += 5;
      invoke({ kind: 'login', user, enrolment }, 2, { session });
      at += 5;
      attach();
      for (const { what, takes, waits } of steps) {
        const path = `/${client}/${ops}`;
        const effect = (op: string, executed = true): void => {
          records.push({
            ...{ type: 'effect', ...stamped(at + takes / 2), op, backend: 'intranet', executed, value: path },
            ...{ proxy: 'proxy-0', assertionUntilWall: 1e6 + at + takes + 60_000 },
          });
        };
        const base = { kind: 'request', session, path };
        if (what === 'get') {
          const get = { ...base, method: 'GET', repeatable: true, expects: path };
          effect(invoke(get, takes, { answer: path, status: 200, proxy: 'proxy-0' }));
        } else if (what === 'post') {
          const post = { ...base, method: 'POST', repeatable: false, executes: true };
          effect(invoke(post, takes, { proxy: 'proxy-0' }));
        } else if (what === 'keyed') {
          const idempotencyKey = `once-${client}-${ops}`;
          const post = { ...base, method: 'POST', repeatable: true, executes: true, idempotencyKey };
          const op = invoke(post, takes, {});
          effect(op);
          effect(op, false);
        } else if (what === 'unknown') {
          const outcome = 'unknown';
          const post = { ...base, method: 'POST', repeatable: false, executes: true };
          invoke(post, takes, { outcome, reason: 'UNKNOWN_OUTCOME' });
          const fault = { kind: 'fault', action: 'SIGKILL', target: 'proxy-0', client: 'drill' };
          invoke(fault, takes / 2, {});
        } else if (what === 'failed') {
          const put = { ...base, method: 'PUT', repeatable: true };
          invoke(put, takes, { outcome: 'failed', reason: 'UNAVAILABLE' });
        } else if (what === 'stream') {
          const op = invoke({ kind: 'stream', session, path }, takes, {});
          const emittedAt = at + takes / 2;
          records.push({ type: 'piece', ...stamped(emittedAt + 1), op, emittedAt });
        } else {
          attach();
        }
        at += takes + waits;
      }
      if (revoked) {
        const target = { of: n % 2 === 0 ? 'session' : 'key', id: n % 2 === 0 ? session : enrolment };
        invoke({ kind: 'revoke', target, wait: 'FLEET', client: 'admin' }, 3, {});
        at += 10;
        const late = { kind: 'request', session, path: '/late', method: 'GET', repeatable: true };
        invoke(late, 2, { outcome: 'refused', reason: 'SESSION_REVOKED' });
      }
    }
    const gone = (of: 'session' | 'key', id: string): boolean =>
      records.some(
        (one) =>
          one.type === 'invoke' && one.kind === 'revoke' && one.target.of === of && one.target.id === id,
      );
    const at = Math.max(...records.map((one) => one.at)) + 100;
    const kept = devices.map((_, n) => n);
    const inventories = {
      keys: kept.map((n) => `key-${n}`).filter((id) => !gone('key', id)),
      sessions: kept
        .filter((n) => !gone('session', `session-${n}`) && !gone('key', `key-${n}`))
        .map((n) => `session-${n}`),
    } as const;
    for (const kind of ['keys', 'sessions'] as const) {
      const op = `final-${kind}`;
      const [stamp, later] = [
        { at, wall: 1e6 + at },
        { at: at + 5, wall: 1e6 + at + 5 },
      ];
      records.push({ type: 'invoke', ...stamp, op, client: 'admin', kind: 'inventory', of: kind });
      records.push({ type: 'complete', ...later, op, outcome: 'ok', ids: [...inventories[kind]] });
    }
    return [headOf(), ...sorted(records)];
  });

/** In the order of time; what is at one time stays in its order. */
export const sorted = (records: readonly HistoryRecord[]): HistoryRecord[] =>
  records.toSorted((a, b) => a.at - b.at);
