/**
 * Why a part (Envoy, MySQL, the template data directory) could not be had.
 * `*_UNSUITABLE`: an explicit path names something that cannot be used; never skipped silently.
 */
export type PartsErrorCode =
  | 'ENVOY_UNSUITABLE'
  | 'MYSQL_UNSUITABLE'
  | 'TOOL_MISSING'
  | 'PLATFORM_UNSUPPORTED'
  | 'MIRROR_UNKNOWN'
  | 'SIGNATURE_REFUSED'
  | 'HASH_REFUSED'
  | 'FETCH_FAILED'
  | 'FETCHED_PART_BROKEN'
  | 'CACHE_UNUSABLE'
  | 'LOCK_TIMEOUT'
  | 'TEMPLATE_FAILED'
  | 'ABORTED';

/** A failure to get a part: what happened, everything that was tried in order, and what the user can do. */
export class PartsError extends Error {
  override readonly name = 'PartsError';
  readonly code: PartsErrorCode;
  readonly hint: string;
  readonly tried: readonly string[];

  constructor(
    code: PartsErrorCode,
    message: string,
    more: { hint: string; tried?: readonly string[] | undefined; cause?: unknown },
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.hint = more.hint;
    this.tried = more.tried ?? [];
  }

  /** The same failure, with what had been tried before it put in front. */
  after(tried: readonly string[]): PartsError {
    return new PartsError(this.code, this.message, {
      hint: this.hint,
      tried: [...tried, ...this.tried],
      cause: this.cause,
    });
  }
}
