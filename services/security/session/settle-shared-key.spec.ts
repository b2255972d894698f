import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { createLogger } from '#kernel/log/logger.ts';
import type { Enrolment } from '../keystore/enrolments.ts';
import { type SettleDeps, settleSharedKey } from './settle-shared-key.ts';
import type { Opened } from './unseal-opening.ts';

const sessionKey = new Uint8Array(32).fill(7);

const opened = (rotationPending: boolean, byNextKey?: Uint8Array): Opened => {
  const enrolment: Enrolment = {
    ...{ routeKey: 'r', deviceId: 'd', deviceName: 'd', user: 'ada', appId: 'app', platform: 'ios' },
    ...{ sharedKey: new Uint8Array(32), nextKeys: [], keyVersion: 3, rotationPending },
    ...{
      createdMs: 0,
      revokedMs: undefined,
      blockedMs: undefined,
      blockedBy: undefined,
      attested: undefined,
      pinHash: undefined,
      pinFailures: 0,
    },
  };
  const received = { suite: 1, keyId: 'k', routeKey: 'r', enc: sessionKey, ciphertext: sessionKey };
  return {
    enrolment,
    received: { ...received, exported: sessionKey, plaintext: sessionKey },
    byNextKey,
  };
};

/** A database whose transactions all end like this. */
const database = (end: boolean | ErrorReason) => {
  let asked = 0;
  const tx = (): Promise<unknown> => {
    asked += 1;
    return typeof end === 'boolean' ? Promise.resolve(end) : Promise.reject(new SallyportError(end));
  };
  const log = createLogger({ pod: 'test', level: 'silent' });
  return { deps: { db: { tx }, log } as Partial<SettleDeps> as SettleDeps, asked: () => asked };
};

describe('settleSharedKey', () => {
  it('leaves the key alone when no rotation was asked for, and asks no database', async () => {
    const { deps, asked } = database('DB_UNAVAILABLE');
    assert.equal(await settleSharedKey(deps, opened(false), sessionKey), 3);
    assert.equal(asked(), 0);
  });

  it('promises the next key once it is stored', async () => {
    assert.equal(await settleSharedKey(database(true).deps, opened(true), sessionKey), 4);
  });

  it('promises nothing when the enrolment has changed, or the database is down or says nothing', async () => {
    for (const end of [false, 'DB_UNAVAILABLE', 'DB_BUSY', 'DB_OUTCOME_UNKNOWN'] as const) {
      assert.equal(await settleSharedKey(database(end).deps, opened(true), sessionKey), 3);
    }
  });

  it('stays with the next key that the device has used, database or not', async () => {
    for (const end of [true, 'DB_UNAVAILABLE'] as const) {
      assert.equal(await settleSharedKey(database(end).deps, opened(true, sessionKey), sessionKey), 4);
    }
  });

  it('hides no other failure', async () => {
    await assert.rejects(settleSharedKey(database('SEALED_ROW_DAMAGED').deps, opened(true), sessionKey));
  });
});
