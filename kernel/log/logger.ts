import { trace } from '@opentelemetry/api';
import {
  type ChildLoggerOptions,
  type DestinationStream,
  type Level,
  type LogFn,
  type Logger,
  pino,
} from 'pino';
import type { Clock } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { RepeatLimit, type RepeatLimitOptions } from './repeat-limit.ts';
import { sanitize, sanitizeText } from './sanitize.ts';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  /** Stands in every line. */
  pod: string;
  /** Default `info`. */
  level?: LogLevel;
  /** A file descriptor, a file's path (appended to), or a stream; default 1, standard output. */
  destination?: number | string | DestinationStream;
  clock?: Clock;
  /** How many equal lines (same level and message) may follow one another. */
  repeats?: Pick<RepeatLimitOptions, 'burst' | 'windowMs' | 'maxKinds'>;
}

/**
 * A logger of JSON lines: `time` (ISO 8601), `level` (name), `pod`, `msg`, `trace_id` and `span_id` of the
 * active span, and the fields of the line. Secrets are kept out by `sanitize`. Lines are written before
 * the call returns, so that the last words of a dying process are there.
 * Log an error as `logger.warn({ err }, 'what was being done')`.
 */
export function createLogger(options: LoggerOptions): Logger {
  const clock = options.clock ?? systemClock;
  const limit = new RepeatLimit({
    ...options.repeats,
    clock,
    onDropped: (kind, dropped) => writeDropped(logger, kind, dropped),
  });
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { pod: options.pod },
      timestamp: () => `,"time":"${new Date(clock.now()).toISOString()}"`,
      formatters: { level: (level) => ({ level }), log: sanitize },
      serializers: { err: (error: unknown) => error },
      mixin: traceIds,
      hooks: {
        logMethod(args, method, level) {
          const line = args.map((each: unknown) => (typeof each === 'string' ? sanitizeText(each) : each));
          const kind = `${this.levels.labels[level]} ${messageOf(line)}`;
          if (level >= fatal || limit.allows(kind)) Reflect.apply(method, this, line);
        },
      },
    },
    destinationOf(options.destination ?? 1),
  );
  sanitizeChildren(logger);
  limits.set(logger, limit);
  return logger;
}

/** Tells what was dropped so far; call it before the process ends. */
export function flushRepeats(logger: Logger): void {
  limits.get(logger)?.flush();
}

/** A logger that says nothing. */
export const silentLogger: Logger = pino({ level: 'silent' });

const fatal = 60;
const maxHeldBytes = 2 ** 20;
let failedWrites = 0;
let lost = 0;
const limits = new WeakMap<Logger, RepeatLimit>();

/**
 * A disk that is full must not end the process: lines are held up to 1 MiB, then lost, and counted.
 * @see lostLines
 */
function destinationOf(destination: number | string | DestinationStream): DestinationStream {
  if (typeof destination === 'object') return destination;
  const file = pino.destination({ dest: destination, sync: true, maxLength: maxHeldBytes });
  file.on('error', () => {
    // The line stays in the buffer and is written with the next one; only `drop` loses it.
    failedWrites++;
  });
  file.on('drop', () => {
    lost++;
  });
  return file;
}

/** Log lines of this process that could not be written so far: `failed` writes (tried again), `lost` lines. */
export function lostLines(): { failed: number; lost: number } {
  return { failed: failedWrites, lost };
}

/** pino does not pass the bindings of children through its formatters; they inherit this method. */
function sanitizeChildren(logger: Logger): void {
  const child = logger.child;
  Object.defineProperty(logger, 'child', {
    value: function (this: Logger, bindings: Record<string, unknown>, options?: ChildLoggerOptions): Logger {
      return Reflect.apply(child, this, [sanitize(bindings), options]);
    },
  });
}

function traceIds(): Record<string, string> {
  const context = trace.getActiveSpan()?.spanContext();
  return context ? { trace_id: context.traceId, span_id: context.spanId } : {};
}

/** The text of a line, by which repetitions are told: without the values that differ from line to line. */
function messageOf(args: readonly unknown[]): string {
  const text = args.find((each) => typeof each === 'string');
  if (text !== undefined) return text;
  return args[0] instanceof Error ? args[0].message : '';
}

/** Past the hook: a line about dropped lines is never dropped itself. */
function writeDropped(logger: Logger, kind: string, dropped: number): void {
  const level = kind.slice(0, kind.indexOf(' '));
  const log: LogFn = logger[isLevel(level) ? level : 'warn'];
  log.call(logger, { dropped, line: kind.slice(level.length + 1) }, `${dropped} more lines like one before`);
}

function isLevel(name: string): name is Level {
  return ['trace', 'debug', 'info', 'warn', 'error', 'fatal'].includes(name);
}
