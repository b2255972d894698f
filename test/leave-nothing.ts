/**
 * What a test has started goes with the test's process: also when somebody interrupts it in a `before`, after which mocha
 * runs no `after`, and while a signal would end it without a word.
 */
const cleanUps = new Set<() => void>();
const exitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
let installed = false;

/** Runs it, without waiting for anything, when this process ends; gives the way to have it not run. */
export function whenProcessEnds(cleanUp: () => void): () => void {
  if (!installed) install();
  cleanUps.add(cleanUp);
  return () => void cleanUps.delete(cleanUp);
}

function install(): void {
  installed = true;
  process.once('exit', () => {
    for (const cleanUp of [...cleanUps].toReversed()) {
      try {
        cleanUp();
      } catch (error) {
        process.stderr.write(`not cleaned up: ${String(error)}\n`);
      }
    }
  });
  for (const [signal, code] of Object.entries(exitCodes)) {
    process.on(signal, () => {
      // Whoever else listens ends this process in an order of its own.
      if (process.listenerCount(signal) === 1) process.exit(code);
    });
  }
}
