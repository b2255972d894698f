import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { SallyportError } from '#core/errors/error.ts';
import { placeholdersIn, type TargetOf } from '../target-schema.ts';
import { type Answer, brokeOff, type Connector, type TargetCall, unreachable } from './connector.ts';

/** Milliseconds from SIGTERM to SIGKILL. */
const killMs = 2000;

/** A program on this machine, without a shell; its parameters are checked, and stand in arguments of their own. */
export function commandConnector(target: TargetOf<'command'>): Connector {
  const { name, env } = target;

  async function* call({ start, body, signal, acting }: TargetCall): AsyncGenerator<Answer> {
    if (start.case !== 'command') throw new SallyportError('INTERNAL');
    const [program = '', ...args] = commandLine(target, start.value.parameters);
    acting();
    // A group of its own: what it starts ends with it.
    const child = spawn(program, args, { env, cwd: '/', stdio: 'pipe', detached: true });
    const exit = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    exit.catch(() => {});
    let killing: NodeJS.Timeout | undefined;
    const stop = (): void => {
      endGroup(child, 'SIGTERM');
      killing = setTimeout(() => endGroup(child, 'SIGKILL'), killMs);
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    try {
      await started(child, name);
      feed(child, body);
      yield { case: 'head', value: {} };
      yield* output(child);
      const [code, by] = await exit;
      if (signal.aborted) throw SallyportError.from(signal.reason);
      yield { case: 'end', value: { exitCode: code ?? 128 + (by === null ? 0 : constants.signals[by]) } };
    } catch (error) {
      if (signal.aborted) throw SallyportError.from(signal.reason);
      throw error instanceof SallyportError ? error : brokeOff(name, error);
    } finally {
      signal.removeEventListener('abort', stop);
      if (child.exitCode === null && child.signalCode === null) endGroup(child, 'SIGKILL');
      await exit.catch(() => {});
      clearTimeout(killing);
    }
  }
  return { call, close: async () => {} };
}

/** @throws REQUEST_INVALID naming the parameter; nothing was run */
export function commandLine(
  { name, argv, parameters }: TargetOf<'command'>,
  given: Readonly<Record<string, string>>,
): string[] {
  const wanted = new Set(placeholdersIn(argv));
  for (const each of Object.keys(given))
    if (!wanted.has(each)) throw invalid(`${name} has no parameter "${each.slice(0, 64)}"`);
  for (const each of wanted) {
    const value = given[each];
    if (value === undefined) throw invalid(`${name} needs the parameter "${each}"`);
    if (value.includes('\0') || !new RegExp(`^(?:${parameters[each] ?? '(?!)'})$`, 'u').test(value)) {
      throw invalid(`the parameter "${each}" of ${name} must match ${parameters[each] ?? 'nothing'}`);
    }
  }
  return argv.map((part) => part.replaceAll(/\{([^{}]*)\}/g, (_, key: string) => given[key] ?? ''));
}

const invalid = (message: string): SallyportError =>
  new SallyportError('REQUEST_INVALID', {
    message,
    hint: 'look at the target in gateways.yaml',
    metadata: { maybeExecuted: 'false' },
  });

async function started(child: ChildProcessWithoutNullStreams, name: string): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (error) {
    const away = unreachable(name, error);
    throw new SallyportError(away.reason, {
      message: away.message,
      metadata: { maybeExecuted: 'false' },
      cause: error,
    });
  }
}

/** A program need not read what it is given. */
function feed(child: ChildProcessWithoutNullStreams, body: AsyncIterable<Uint8Array>): void {
  const { stdin } = child;
  stdin.on('error', () => {});
  const pass = async (): Promise<void> => {
    for await (const piece of body) {
      if (!stdin.writable) return;
      if (!stdin.write(piece)) await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
    }
    stdin.end();
  };
  // Cut off in the middle, it must not take what it has for all.
  pass().catch(() => endGroup(child, 'SIGKILL'));
}

/** Both outputs, as they come. */
async function* output(child: ChildProcessWithoutNullStreams): AsyncGenerator<Answer> {
  const streams = {
    data: child.stdout[Symbol.asyncIterator](),
    errorData: child.stderr[Symbol.asyncIterator](),
  };
  const next = async (of: keyof typeof streams) => ({ of, step: await streams[of].next() });
  const waiting = new Map([
    ['data', next('data')],
    ['errorData', next('errorData')],
  ]);
  while (waiting.size > 0) {
    const { of, step } = await Promise.race(waiting.values());
    if (step.done === true) waiting.delete(of);
    else {
      waiting.set(of, next(of));
      yield { case: of, value: step.value as Uint8Array };
    }
  }
}

function endGroup({ pid }: ChildProcessWithoutNullStreams, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It ended just now.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
