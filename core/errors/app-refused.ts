import { SallyportError } from './error.ts';

/** The error of a session, or of one that is to be opened, whose app the policy does not take. */
export const appRefused = ({ reason, explain }: { reason: string; explain: string }): SallyportError =>
  new SallyportError('APP_REFUSED', { message: `(${reason}) ${explain}`, metadata: { grant: reason } });
