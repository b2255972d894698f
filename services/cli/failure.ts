import { PartsError } from '#compose/parts/errors.ts';
import { SallyportError } from '#core/errors/error.ts';
import { registry } from '#core/errors/registry.ts';
import { Interrupted } from './context.ts';

const { hint: contractHint } = registry.INVALID_FIELD;

export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** What is told about an error, on standard error and in JSON. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
}

/** The command line itself is wrong. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

/** An error that another process of ours has told already, word for word. */
export class ToldError extends Error {
  override readonly name = 'ToldError';
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof Interrupted) {
    return {
      code: 'INTERRUPTED',
      message: thrown.message,
      hint: 'what had been started was stopped again',
      exitCode: exitCodes.interrupted,
    };
  }
  if (thrown instanceof UsageError) {
    return { code: 'USAGE', message: thrown.message, hint: thrown.hint, exitCode: exitCodes.usage };
  }
  if (thrown instanceof PartsError) {
    const tried = thrown.tried.map((each) => `\n  tried: ${each}`).join('');
    return {
      code: thrown.code,
      message: thrown.message + tried,
      hint: thrown.hint,
      exitCode: exitCodes.failed,
    };
  }
  if (thrown instanceof ToldError) {
    return { code: thrown.code, message: thrown.message, hint: thrown.hint, exitCode: exitCodes.failed };
  }
  if (thrown instanceof SallyportError) {
    // The cause of an INTERNAL that arose here is all that there is to go by.
    const cause =
      thrown.reason === 'INTERNAL' && thrown.cause !== undefined ? `: ${stackOf(thrown.cause)}` : '';
    const refused = thrown.reason === 'INVALID_FIELD';
    return {
      code: thrown.reason,
      // Whoever types a command has not asked for a message of the contract.
      message: (refused ? thrown.message.replace(/^sallyport(\.\w+)+: /, '') : thrown.message) + cause,
      hint: refused && thrown.hint === contractHint ? '`--help` says what the command takes' : thrown.hint,
      exitCode: exitCodes.failed,
    };
  }
  if (thrown instanceof Error && 'syscall' in thrown && 'code' in thrown && typeof thrown.code === 'string') {
    // The system's own words name the file and what is wrong with it.
    return {
      code: thrown.code,
      message: thrown.message.replace(`${thrown.code}: `, ''),
      hint: 'the system refused it; see the path that is named',
      exitCode: exitCodes.failed,
    };
  }
  return {
    code: 'INTERNAL',
    message: stackOf(thrown),
    hint: 'this is a defect of the CLI; report it with the lines above',
    exitCode: exitCodes.failed,
  };
}

const stackOf = (thrown: unknown): string =>
  thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
