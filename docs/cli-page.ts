import type { Command } from 'commander';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { buildProgram } from '#services/cli/run-cli.ts';

const width = 100;

/** docs/CLI.md: what each command says of itself. */
export function cliPage(): string {
  const program = buildProgram(
    {
      env: {},
      cwd: '/',
      signal: new AbortController().signal,
      onSecondInterrupt: () => {},
      clock: new ManualClock(),
      out: () => {},
      outBytes: () => Promise.resolve(),
      err: () => {},
    },
    { code: 0 },
  );
  return `# Command line
Written by \`npm run docs\` from what \`sallyport <command> --help\` says.

Every command ends with 0 (ok), 1 (failed), 2 (wrong usage) or 130 (interrupted). Errors are told on standard error as
\`error REASON: message\` and \`hint: …\`; reasons are in [ERRORS.md](ERRORS.md). With \`--json\` the last line of standard
output is one JSON object with \`name\`, \`ok\` and \`figures\`, and \`items\` of whatever is listed; all else goes to
standard error.

${sections(program, '').join('\n')}`;
}

function sections(command: Command, before: string): string[] {
  const path = `${before} ${command.name()}`.trim();
  const own = `## ${path}\n\`\`\`text\n${helpOf(command).trimEnd()}\n\`\`\`\n`;
  const visible = command.createHelp().visibleCommands(command);
  return [own, ...visible.flatMap((each) => sections(each, path))];
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => width,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text;
}
