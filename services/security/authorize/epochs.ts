import { encodeEpoch } from '#core/ids/epoch.ts';

/**
 * Numbers of attachments, never given twice: the incarnation is this process's alone within the era, and
 * the counter only rises.
 */
export function epochs(era: number, incarnation: number): () => Uint8Array {
  let counter = 0n;
  return () => encodeEpoch({ era, incarnation, counter: counter++ });
}
