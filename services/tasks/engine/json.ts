/** What goes into the journal and comes out of it unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [field: string]: Json };

/** The most that one input, result or message may have as JSON, bytes. */
export const maxJsonBytes = 1_048_576;
