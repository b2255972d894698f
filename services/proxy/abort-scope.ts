import { SallyportError } from '#core/errors/error.ts';

/** The life of one piece of work: over when it is ended, or when one of its sources is aborted. */
export interface AbortScope {
  /** Aborted, with the source's reason, or with that of `abort`. */
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
  /** The work is done: whatever is left of it stops, and the sources forget it. */
  end(): void;
}

/** One for all: without a reason, each abort would make a DOMException, which costs more than the rest of a scope. */
const done = new SallyportError('CANCELLED', { message: 'the work is done' });

/**
 * As `AbortSignal.any`, for sources that live much longer than the work: they hold nothing of it once it has
 * ended, without waiting for the garbage collector.
 */
export function abortScope(...sources: readonly AbortSignal[]): AbortScope {
  const controller = new AbortController();
  const links = sources.map((source) => {
    const pass = (): void => controller.abort(source.reason);
    source.addEventListener('abort', pass, { once: true });
    return () => source.removeEventListener('abort', pass);
  });
  const aborted = sources.find((source) => source.aborted);
  if (aborted) controller.abort(aborted.reason);
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    end: () => {
      for (const unlink of links) unlink();
      controller.abort(done);
    },
  };
}
