import { createInterface } from 'node:readline/promises';
import type { CommandContext } from '../command.ts';
import { UsageError } from '../failure.ts';

/** Asks at the terminal. @throws UsageError when there is none, or the answer is not yes; Interrupted */
export async function confirm(question: string, { signal }: Pick<CommandContext, 'signal'>): Promise<void> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw new UsageError('this takes a yes, and there is no terminal to ask at', 'say --yes');
  }
  const lines = createInterface({ input: stdin, output: stderr });
  try {
    const answer = await lines.question(`${question} [yes/no] `, { signal });
    if (answer.trim().toLowerCase() === 'yes') return;
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw error;
  } finally {
    lines.close();
  }
  throw new UsageError('you did not say yes', 'nothing was changed');
}
