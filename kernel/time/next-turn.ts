/** Resolves in the next turn of the event loop: what has come in meanwhile is worked on first. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
