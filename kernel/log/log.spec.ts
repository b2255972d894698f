import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { createLogger, flushRepeats, type Logger, type LoggerOptions, lostLines } from './logger.ts';

interface Line extends Record<string, unknown> {
  msg: string;
  err: {
    stack?: string;
    message: string;
    reason?: string;
    cause?: Line['err'];
    code?: string;
    hint?: string;
  };
}

function capture(options: Partial<LoggerOptions> = {}): {
  logger: Logger;
  lines: Line[];
  text: () => string;
} {
  const lines: Line[] = [];
  let text = '';
  const destination = {
    write: (line: string) => {
      text += line;
      lines.push(JSON.parse(line));
    },
  };
  const logger = createLogger({
    pod: 'sec-0',
    clock: new ManualClock(),
    level: 'debug',
    ...options,
    destination,
  });
  return { logger, lines, text: () => text };
}

const route = 'a'.repeat(22);
const session = `${route}.sec-0.${'R'.repeat(22)}.${'M'.repeat(22)}`;

describe('log', () => {
  it('writes JSON with time, level and pod', () => {
    const { logger, lines } = capture();
    logger.info({ count: 3, big: 7n }, 'started');
    assert.deepEqual(lines, [
      { level: 'info', time: '2030-01-01T00:00:00.000Z', pod: 'sec-0', count: 3, big: '7', msg: 'started' },
    ]);
  });

  it('lets no secret through, at any depth, in any spelling, in children and in texts', () => {
    const { logger, text } = capture();
    const value = 'hunter2';
    const names = [
      'password',
      'db_password',
      'sharedKey',
      'session_key',
      'psk',
      'Authorization',
      'set-cookie',
    ];
    names.push('token', 'clientSecret', 'code', 'activation_code', 'rootKey', 'privateKey');
    for (const name of names) {
      logger.info({ [name]: value, a: { b: { c: [{ [name]: [value] }] } } }, 'fields');
      logger.child({ [name]: value, request: { [name]: value } }).info('child');
    }
    logger.info(`opened ${session}`);
    logger.info(
      { id: session, header: `Bearer ${session}`, other: 'Basic aHVudGVyMmh1bnRlcjI=' },
      'x %s',
      session,
    );
    logger.info({ jwt: `eyJhbGciOiJFZERTQSJ9.eyJodW50ZXIyIjoxfQ.${'s'.repeat(30)}` });
    logger.info({ pem: `-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----` });
    logger.info({ bytes: Buffer.from(value), more: [new Uint8Array(32)] }, 'bytes');
    logger.error(
      { err: Object.assign(new Error(`no ${session}`), { sql: value, password: value }) },
      'failed',
    );
    assert.doesNotMatch(text(), /hunter2|RRRR|MMMM|ssss|aHVudGVy|104,117/);
    assert.match(text(), new RegExp(`opened ${route}\\.…`));
    assert.match(text(), /\[7 bytes\].*\[32 bytes\]/);
  });

  it('lets no session id through that begins or ends with -, is glued to a text, or is cut by the bound', () => {
    const { logger, text } = capture();
    const mac = 'M'.repeat(21);
    for (const id of [
      `-${session.slice(1)}`,
      `${session.slice(0, -1)}-`,
      `x${session}`,
      `--${session}`,
      `${session}M`,
    ]) {
      logger.info({ id }, `opened ${id}`);
    }
    for (const cut of [1, 2, 20])
      logger.info(`${'x '.repeat(4096).slice(0, 8192 - session.length + cut)}${session}`);
    assert.doesNotMatch(text(), new RegExp(`RRRR|${mac}`));
  });

  it('keeps what is no secret: counters, exit codes, key ids', () => {
    const { logger, lines } = capture();
    logger.info({ code: 137, keyId: 'k1', routeKey: route, token: undefined, hasToken: true }, 'x');
    assert.deepEqual([lines[0]?.code, lines[0]?.keyId, lines[0]?.routeKey], [137, 'k1', route]);
    assert.equal(lines[0]?.hasToken, true);
  });

  it('tells errors by reason, hint and causes; a stack only of what was not foreseen', () => {
    const { logger, lines } = capture();
    const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
    logger.warn({ err: new SallyportError('DB_UNAVAILABLE', { cause: refused }) }, 'reading the feed');
    const err = lines[0]?.err;
    assert.equal(err?.reason, 'DB_UNAVAILABLE');
    assert.ok(err?.hint);
    assert.equal(err?.stack, undefined);
    assert.equal(err?.cause?.code, 'ECONNREFUSED');
    assert.match(err?.cause?.stack ?? '', /log\.spec/);
    logger.error(new TypeError('oops'));
    assert.equal(lines[1]?.msg, 'oops');
    assert.match(lines[1]?.err.stack ?? '', /TypeError: oops/);
  });

  it('bounds what one line may hold', () => {
    const { logger, text, lines } = capture();
    const loop: Record<string, unknown> = {
      list: Array.from({ length: 1000 }, (_, i) => i),
      text: 'x'.repeat(1e6),
    };
    loop.self = loop;
    loop.deep = { a: { b: { c: { d: { e: { f: { g: 1 } } } } } } };
    logger.info({ loop, self: loop }, 'y'.repeat(1e6));
    assert.ok(text().length < 64_000, String(text().length));
    assert.equal(lines.length, 1);
  });

  it('carries the ids of the active span', () => {
    const { logger, lines } = capture();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    try {
      const span = trace.wrapSpanContext({ traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 });
      context.with(trace.setSpan(context.active(), span), () => logger.info('within'));
      logger.info('outside');
    } finally {
      context.disable();
    }
    assert.equal(lines[0]?.trace_id, '1'.repeat(32));
    assert.equal(lines[1]?.trace_id, undefined);
  });

  it('drops repeated lines, with a count, and lets other lines pass', async () => {
    const clock = new ManualClock();
    const { logger, lines } = capture({ clock, repeats: { burst: 3, windowMs: 1000 } });
    const child = logger.child({ part: 'feed' });
    for (let i = 0; i < 10; i++) child.warn({ i }, 'cannot reach db-0');
    logger.warn('something else');
    logger.error('cannot reach db-0');
    assert.equal(lines.length, 5);
    await clock.advance(1000);
    assert.equal(lines.length, 6);
    assert.deepEqual([lines[5]?.dropped, lines[5]?.line], [7, 'cannot reach db-0']);
    for (let i = 0; i < 5; i++) child.warn('cannot reach db-0');
    assert.equal(lines.length, 9);
    flushRepeats(logger);
    assert.equal(lines.at(-1)?.dropped, 2);
    for (let i = 0; i < 5; i++) logger.fatal('the end');
    assert.equal(lines.filter((line) => line.msg === 'the end').length, 5);
  });

  it('survives a full disk, holding no more than a bound', function () {
    if (!existsSync('/dev/full')) this.skip();
    const before = lostLines();
    const logger = createLogger({ pod: 'p', destination: '/dev/full', repeats: { burst: 10_000 } });
    for (let i = 0; i < 300; i++) logger.info('x'.repeat(8000));
    assert.ok(lostLines().failed > before.failed);
    assert.ok(lostLines().lost > before.lost);
  });
});
