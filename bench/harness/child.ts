/** The child's end of a process that a bench starts; see process.ts for the other one. */

export interface ToChild {
  readonly id: number;
  readonly value: unknown;
}

export type FromChild =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string };

/**
 * Runs this process for its bench: `start` gets the first message and gives what answers the others. The
 * process ends when the bench hangs up, so none outlives it.
 */
export function serveBench<Args, Ask, Answer>(
  start: (args: Args) => Promise<(ask: Ask) => Promise<Answer>>,
): void {
  let serving: Promise<(ask: Ask) => Promise<Answer>> | undefined;
  const answer = async (value: unknown): Promise<unknown> => {
    if (serving !== undefined) return (await serving)(value as Ask);
    serving = start(value as Args);
    await serving;
    return undefined;
  };
  const reply = (message: FromChild): void => void process.send?.(message);
  process.on('message', ({ id, value }: ToChild) => {
    answer(value).then(
      (result) => reply({ id, value: result }),
      (error: unknown) => reply({ id, error: error instanceof Error ? String(error.stack) : String(error) }),
    );
  });
  process.once('disconnect', () => process.exit(0));
  // Ctrl-C reaches the whole group; the bench decides when its children end.
  process.on('SIGINT', () => undefined);
}
