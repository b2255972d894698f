import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import type { ErrorReason } from '#core/errors/registry.ts';
import { routeKeyOfUser } from './login.ts';
import { bearerToken, sessionOfToken, tokenFor } from './people-token.ts';
import type { SessionRecord } from './record.ts';

const secret = randomBytes(32);
const person: SessionRecord = {
  id: 'route.sec-0.random.mac',
  routeKey: 'route',
  opener: 'sec-0',
  kind: 'person',
  user: 'ada',
  groups: [],
  deviceId: '',
  app: undefined,
  sessionKey: createHash('sha256').update(secret).digest(),
  openedAtMs: 0,
  expiresAtMs: 1,
  lastSeenMs: 0,
  feedPosition: 0,
  era: 1,
  version: 1,
  openHash: undefined,
  openReply: undefined,
  writtenBehind: false,
  amr: ['pwd'],
};

/** Holds one session. */
const holding = (record: SessionRecord, otherwise: ErrorReason = 'SESSION_UNKNOWN') => {
  let asked = 0;
  return {
    asked: () => asked,
    get: async (id: string) => {
      asked += 1;
      if (id !== record.id) throw new SallyportError(otherwise);
      return record;
    },
  };
};
const failsAs = (reason: ErrorReason) => (e: unknown) => SallyportError.from(e).reason === reason;

describe('people token', () => {
  const token = tokenFor(person.id, secret);

  it('names its session', async () => {
    assert.equal(await sessionOfToken(holding(person), token), person);
  });

  it('is void with another secret, without one, with more, and for a session of a device', async () => {
    const sessions = holding(person);
    for (const wrong of [
      tokenFor(person.id, randomBytes(32)),
      tokenFor(person.id, randomBytes(31)),
      tokenFor(person.id, person.sessionKey),
      tokenFor('route.sec-0.other.mac', secret),
      person.id,
      `${token}~${token}`,
      `${token}=`,
      '',
    ]) {
      await assert.rejects(sessionOfToken(sessions, wrong), failsAs('TOKEN_INVALID'), wrong);
    }
    const device: SessionRecord = { ...person, kind: 'device' };
    await assert.rejects(sessionOfToken(holding(device), token), failsAs('TOKEN_INVALID'));
  });

  it('costs no look-up when it is not spelled as one', async () => {
    const sessions = holding(person);
    await assert.rejects(sessionOfToken(sessions, `${person.id}~short`));
    assert.equal(sessions.asked(), 0);
  });

  it('logs nobody out because nobody can tell at present', async () => {
    const other = tokenFor('elsewhere', secret);
    for (const reason of ['STALE', 'DEADLINE', 'INTERNAL'] as const) {
      await assert.rejects(sessionOfToken(holding(person, reason), other), failsAs(reason));
    }
    await assert.rejects(sessionOfToken(holding(person, 'MALFORMED'), other), failsAs('TOKEN_INVALID'));
  });

  it('is taken from the header', () => {
    const from = (value: string | undefined) => bearerToken({ header: () => value });
    assert.equal(from(`bearer  ${token}`), token);
    for (const wrong of [undefined, '', token, 'Bearer', 'Bearer a b', 'Basic abc']) {
      assert.throws(() => from(wrong), failsAs('TOKEN_INVALID'));
    }
  });
});

describe('routeKeyOfUser', () => {
  it('is one however the name is written, and spelled as a route key', () => {
    assert.equal(routeKeyOfUser('Ada '), routeKeyOfUser('ada'));
    assert.notEqual(routeKeyOfUser('ada'), routeKeyOfUser('bob'));
    assert.match(routeKeyOfUser('ada'), /^[A-Za-z0-9_-]{21}[AQgw]$/);
  });
});
