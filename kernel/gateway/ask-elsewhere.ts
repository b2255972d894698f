import { SallyportError } from '#core/errors/error.ts';

/**
 * Asks one, and when that is lost another one.
 * @param next who is asked now, after so many tries; undefined: nobody, since the one asked lives, there is no other, or
 *   the request may not be made again
 * @throws what was said last, and what `next` throws
 */
export async function askElsewhere<T, R>(
  first: T,
  ask: (to: T) => Promise<R>,
  next: (
    error: SallyportError,
    asked: { readonly to: T; readonly tries: number },
  ) => T | undefined | Promise<T | undefined>,
): Promise<R> {
  let to = first;
  for (let tries = 1; ; tries++) {
    try {
      return await ask(to);
    } catch (thrown) {
      const other = await next(SallyportError.from(thrown), { to, tries });
      if (other === undefined) throw thrown;
      to = other;
    }
  }
}
