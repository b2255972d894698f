import { ResultCodeError } from 'ldapts';
import { SallyportError } from '#core/errors/error.ts';

/** Result codes of RFC 4511 appendix A.1. */
const code = {
  timeLimit: 3,
  sizeLimit: 4,
  referral: 10,
  adminLimit: 11,
  invalidCredentials: 49,
  busy: 51,
  unavailable: 52,
} as const;
const limits: readonly number[] = [code.timeLimit, code.sizeLimit, code.adminLimit];
const later: readonly number[] = [code.busy, code.unavailable];

export const isWrongPassword = (error: unknown): boolean =>
  error instanceof ResultCodeError && error.code === code.invalidCredentials;

/**
 * What a directory's answer, or its silence, means here: SOURCE_UNREACHABLE (another host may do better),
 * SOURCE_INCOMPLETE (it told less than it was asked for), SOURCE_REFUSED (it would not).
 */
export function sourceError(url: string, doing: string, cause: unknown): SallyportError {
  if (cause instanceof SallyportError) return cause;
  const text = (cause instanceof Error ? cause.message : String(cause)).replace(/\s+/g, ' ').slice(0, 300);
  const message = `${url}, ${doing}: ${text}`;
  if (!(cause instanceof ResultCodeError) || later.includes(cause.code)) {
    return new SallyportError('SOURCE_UNREACHABLE', { message, cause, retryAfterMs: 5000 });
  }
  if (limits.includes(cause.code)) {
    return new SallyportError('SOURCE_INCOMPLETE', {
      message,
      cause,
      hint: 'raise the limit that the directory has for this account, or lower --page-size',
    });
  }
  const hint =
    cause.code === code.referral
      ? 'it refers to another directory: add that one as a source of its own'
      : 'try the same with ldapsearch; `sallyport sources test NAME` shows what each host says';
  return new SallyportError('SOURCE_REFUSED', { message, cause, hint });
}
