import { createHash } from 'node:crypto';

/** 22 letters that these parts always give, and no others. */
function derived(...parts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:${part}`);
  return hash.digest().subarray(0, 16).toString('base64url');
}

/** Of what a submitter asked for under a key: asked twice it is the same task. */
export const taskId = (submitter: string, requestKey: string): string =>
  derived('task', submitter, requestKey);
export const childId = (parent: string, name: string): string => derived('child', parent, name);
/** In journals, by a name that nobody can send a message to: what people say cannot be said for them. */
export const askName = (name: string): string => `ask ${name}`;
export const isReserved = (name: string): boolean => name.startsWith('undo ') || name.startsWith('ask ');
export const itemId = (task: string, name: string): string => derived('item', task, name);
/** By which an effect is known to whoever receives it. */
export const stepToken = (task: string, name: string): string => derived('step', task, name);

/** Of what a task is to do: a key that is used again must be for the same. */
export const digestOf = (kind: string, inputJson: string): string =>
  createHash('sha256').update(`${kind}\0${inputJson}`).digest().subarray(0, 16).toString('base64url');
