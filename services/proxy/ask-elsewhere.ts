import { SallyportError } from '#core/errors/error.ts';
import { idempotentMethods } from '#core/http/idempotent-methods.ts';

/** Gateways that one request is tried at. */
const most = 3;

export interface Elsewhere<T> {
  /** Whether the request may be made once more after this. */
  readonly mayRepeat: (error: SallyportError) => boolean;
  /** Where it is to go now. */
  readonly next: () => Promise<T>;
}

/** Asks, and when the gateway is lost asks at the session's next one, if the request may be made twice or was not made. */
export async function askElsewhere<T extends { readonly gateway: string | undefined }>(
  ask: (to: T) => Promise<void>,
  first: T,
  { mayRepeat, next }: Elsewhere<T>,
): Promise<void> {
  let to = first;
  for (let tries = 1; ; tries++) {
    try {
      return await ask(to);
    } catch (thrown) {
      const lost = to.gateway;
      const error = SallyportError.from(thrown);
      if (error.metadata.lostGateway === undefined || tries >= most || !mayRepeat(error)) throw thrown;
      to = await next();
      // There is no other; whoever asked may try again later.
      if (to.gateway === lost) throw thrown;
    }
  }
}

/** Nothing was done, or nothing is changed by doing it twice. */
export const isRepeatable = (method: string, error: SallyportError): boolean =>
  error.metadata.maybeExecuted === 'false' || idempotentMethods.has(method);
