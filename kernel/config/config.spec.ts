import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { describeSchema } from './describe-schema.ts';
import { variableOf } from './environment.ts';
import { type ConfigSource, loadConfig } from './load-config.ts';
import { bytes, duration, ipAddress, path, podName, port, secret, socketPath } from './primitives.ts';

const schema = z.strictObject({
  pod: podName(),
  sessions: z
    .strictObject({
      lifeMs: duration({ min: 1000, max: 86_400_000 })
        .default(600_000)
        .meta({ description: 'Life of a session.' }),
      persistence: z.enum(['on', 'off']).default('on'),
      limit: z.number().min(1).max(10).default(5),
    })
    .prefault({}),
  password: secret(z.string().min(12)).optional(),
  maxBody: bytes({ max: 2 ** 30 }).default(65_536),
  listen: z.array(port()).default([]),
  peers: z.array(z.strictObject({ pod: podName(), address: ipAddress() })).default([]),
  limits: z.record(z.string(), z.strictObject({ rate: z.number() })).default({}),
  auth: z.union([z.strictObject({ token: secret(z.string().min(5)) }), z.literal('none')]).default('none'),
});

const load = (source: ConfigSource) => loadConfig(schema, source);
const failure = (source: ConfigSource): string => {
  try {
    load(source);
  } catch (error) {
    assert.ok(error instanceof SallyportError);
    assert.equal(error.reason, 'CONFIG_INVALID');
    return error.message;
  }
  assert.fail('was accepted');
};

function withFile<T>(name: string, text: string, use: (file: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'config-'));
  try {
    writeFileSync(join(dir, name), text);
    return use(join(dir, name));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('config', () => {
  it('later sources win, field by field, and the result is frozen all the way down', () => {
    const config = withFile(
      'c.yaml',
      'pod: sec-0\nsessions: {lifeMs: 10m, limit: 3}\nmaxBody: 1MiB\n',
      (file) =>
        load({
          file,
          env: {
            SALLYPORT_SESSIONS__LIFE_MS: '2h',
            SALLYPORT_SESSIONS__LIMIT: '4',
            SALLYPORT_LISTEN: '[80]',
            HOME: '/',
          },
          overrides: { sessions: { limit: 6 } },
        }),
    );
    assert.deepEqual(config.sessions, { lifeMs: 7_200_000, persistence: 'on', limit: 6 });
    assert.equal(config.maxBody, 2 ** 20);
    assert.deepEqual(config.listen, [80]);
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.sessions) && Object.isFrozen(config.listen));
  });

  it('names field, rule, value and origin', () => {
    const text = failure({
      overrides: { pod: 'SEC', peers: [{ pod: 'a', address: 'x' }] },
      env: { SALLYPORT_SESSIONS__LIFE_MS: '5ms', SALLYPORT_SESSIONS__LIMIT: 'many' },
    });
    assert.match(text, /pod: must be 1 to 40 of a-z, 0-9 and -; given "SEC" \(in the command line\)/);
    assert.match(text, /sessions\.lifeMs: must be between 1s and 1d; given "5ms" \(in the environment\)/);
    assert.match(text, /sessions\.limit: expected number, received string; given "many"/);
    assert.match(text, /peers\[0\]\.address: must be an IP address; given "x"/);
    assert.match(failure({}), /pod: is required/);
  });

  it('never shows a secret, however deep and whatever is wrong with it', () => {
    const secrets = [
      { pod: 'p', password: 'hunter2' },
      { pod: 'p', password: ['hunter2'] },
      { pod: 'p', auth: { token: 'hu2' } },
      { pod: 'p', auth: 'hunter2' },
      { pod: 'p', auth: { token: 'hunter2', more: 1 } },
    ];
    for (const overrides of secrets) assert.doesNotMatch(failure({ overrides }), /hu.*2/);
    for (const name of ['c.yaml', 'c.json']) {
      const text = withFile(name, '{"pod": "p", "password": "hunter2-hunter2', (file) => failure({ file }));
      assert.match(text, /not well-formed at line 1/);
      assert.doesNotMatch(text, /hunter/);
    }
  });

  it('refuses unknown fields and variables, and says what was meant', () => {
    assert.match(
      failure({ overrides: { pod: 'p', sesions: {} } }),
      /unknown field sesions \(did you mean sessions\?\)/,
    );
    assert.match(
      failure({ overrides: { pod: 'p', sessions: { persistance: 'on' } } }),
      /sessions\.persistance \(did you mean persistence\?\)/,
    );
    assert.match(
      failure({ env: { SALLYPORT_SESSIONS__LIFE: '1h' } }),
      /SALLYPORT_SESSIONS__LIFE sets no field/,
    );
    assert.match(failure({ file: '/nowhere/c.yaml' }), /\/nowhere\/c\.yaml cannot be read: ENOENT/);
  });

  it('reads durations and sizes with their units', () => {
    const ms = duration();
    for (const [text, value] of [
      ['250ms', 250],
      ['1.5s', 1500],
      ['2 h', 7_200_000],
      ['7d', 604_800_000],
      ['30', 30],
    ]) {
      assert.equal(ms.parse(text), value);
    }
    for (const text of ['', '10 apples', '-1s', 'NaN', '1e9s', '10S'])
      assert.equal(ms.safeParse(text).success, false);
    assert.equal(ms.safeParse(Number.NaN).success, false);
    assert.equal(bytes().parse('64KiB'), 65_536);
    assert.equal(bytes().parse('10MB'), 1e7);
    assert.equal(socketPath().safeParse(`/${'x'.repeat(99)}`).success, false);
    assert.equal(path().safeParse('relative').success, false);
  });

  it('describes every field for the documentation', () => {
    const fields = new Map(describeSchema(schema).map((field) => [field.path, field]));
    assert.deepEqual(fields.get('sessions.lifeMs'), {
      ...{ path: 'sessions.lifeMs', type: 'duration', description: 'Life of a session.', unit: 'ms' },
      ...{ min: 1000, max: 86_400_000, default: '10m', optional: true, secret: false },
    });
    assert.equal(fields.get('sessions.persistence')?.type, 'one of on, off');
    assert.equal(fields.get('sessions.limit')?.max, 10);
    assert.equal(fields.get('password')?.secret, true);
    assert.equal(fields.get('maxBody')?.default, '64KiB');
    assert.equal(fields.get('listen')?.type, 'list of port');
    assert.equal(fields.get('peers[].address')?.type, 'IP address');
    assert.equal(fields.get('limits.<name>.rate')?.type, 'number');
    assert.equal(variableOf('SALLYPORT_', 'sessions.lifeMs'), 'SALLYPORT_SESSIONS__LIFE_MS');
  });
});
