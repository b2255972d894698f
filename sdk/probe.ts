import type { RequestHead } from '../core/channel/multiplex/messages.ts';

/**
 * A request that every proxy refuses behind the seal, before it asks anybody: TRACE is never relayed. Its
 * refusal proves that this very attachment lives, at the price of one round trip and of nothing else.
 */
export const probe: RequestHead = Object.freeze({
  method: 'TRACE',
  authority: 'probe.sallyport.internal',
  path: '/',
  headers: [],
});

/** Milliseconds for which a word from the proxy counts as proof that it is there. */
export const provenForMs = 2000;

/** Milliseconds that a proxy has to answer the probe. */
export const probeTimeoutMs = 3000;

/** Milliseconds that a proxy which has not answered it has for the answers that nobody else can give. */
export const lastWordMs = 10_000;
