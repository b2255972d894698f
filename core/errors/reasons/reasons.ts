import type { StatusName } from '../status.ts';

export interface ErrorSpec {
  status: StatusName;
  message: string;
  /** What the caller can do about it. */
  hint: string;
}

/** The reasons of one area, each as code, message and hint: a section of docs/ERRORS.md. */
export const reasons = <K extends string>(
  specs: Record<K, readonly [StatusName, string, string]>,
): Readonly<Record<K, ErrorSpec>> =>
  Object.freeze(
    Object.fromEntries(
      Object.entries<readonly [StatusName, string, string]>(specs).map(
        ([reason, [status, message, hint]]) => [reason, { status, message, hint }],
      ),
    ) as Record<K, ErrorSpec>,
  );
