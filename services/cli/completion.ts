import type { Command } from 'commander';

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** What may follow a command: its subcommands, and its long options. */
interface Place {
  /** `sessions list`; empty for the program itself. */
  readonly path: string;
  readonly words: readonly string[];
}

/** A script that teaches a shell the commands and options of `program`. */
export function completionScript(program: Command, shell: Shell): string {
  const places = placesOf(program, []);
  return shell === 'fish' ? fish(places) : bashLike(places, shell);
}

function placesOf(command: Command, path: readonly string[]): Place[] {
  const visible = command.createHelp().visibleCommands(command);
  const options = command.createHelp().visibleOptions(command);
  const words = [
    ...visible.map((each) => each.name()),
    ...options.flatMap(({ long }) => (long == null ? [] : [long])),
  ];
  return [
    { path: path.join(' '), words },
    ...visible.flatMap((each) => placesOf(each, [...path, each.name()])),
  ];
}

const bashLike = (places: readonly Place[], shell: 'bash' | 'zsh'): string => {
  const cases = places.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`).join('\n');
  const known = places.map(({ path }) => `'${path}'`).join('|');
  return `# sallyport completion ${shell}
${shell === 'zsh' ? 'autoload -U +X bashcompinit && bashcompinit\n' : ''}_sallyport() {
  local current="\${COMP_WORDS[COMP_CWORD]}" place='' words='' word next i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    next="\${place:+$place }$word"
    case "$next" in ${known}) place="$next" ;; esac
  done
  case "$place" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [ \${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}
complete -F _sallyport sallyport
`;
};

const fish = (places: readonly Place[]): string => {
  const lines = places.flatMap(({ path, words }) => {
    const parts = path === '' ? [] : path.split(' ');
    const inside = parts.map((part) => `__fish_seen_subcommand_from ${part}`).join('; and ');
    const condition = inside === '' ? '__fish_use_subcommand' : inside;
    return words.map((word) =>
      word.startsWith('--')
        ? `complete -c sallyport -n '${condition}' -l ${word.slice(2)}`
        : `complete -c sallyport -f -n '${condition}' -a ${word}`,
    );
  });
  return `# sallyport completion fish\n${lines.join('\n')}\n`;
};
