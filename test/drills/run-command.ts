import { systemClock } from '#kernel/time/system-clock.ts';
import { runCli } from '#services/cli/run-cli.ts';

/** The last line of a command's --json. */
export interface CommandResult {
  readonly ok: boolean;
  readonly figures: readonly { readonly name: string; readonly value: number }[];
}

/** Runs a command of the CLI in this process. @throws with its words when it fails; missed goals are no failure */
export async function runCommand(
  args: readonly string[],
  o: { readonly cwd: string; readonly signal: AbortSignal },
): Promise<CommandResult> {
  const said = { out: '', err: '' };
  const code = await runCli([...args, '--json'], {
    ...o,
    env: process.env,
    onSecondInterrupt: () => {},
    clock: systemClock,
    out: (text) => {
      said.out += text;
    },
    outBytes: async () => {},
    err: (text) => {
      said.err += text;
    },
  });
  const result = JSON.parse(said.out.trim().split('\n').at(-1) ?? '{}') as CommandResult & { error?: object };
  if (result.error !== undefined)
    throw new Error(`${args.join(' ')} (${code}): ${JSON.stringify(result.error)}`);
  return result;
}

/** @throws when there is none of that name */
export function figureOf({ figures }: CommandResult, name: string): number {
  const found = figures.find((figure) => figure.name === name);
  if (found === undefined) throw new Error(`there is no figure "${name}"`);
  return found.value;
}
