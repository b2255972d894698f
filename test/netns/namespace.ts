import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Milliseconds for one command of iproute2. */
const commandMs = 20_000;

/**
 * Holds a network namespace until its standard input ends, which it does when its parent dies, however it
 * dies. Then it kills whatever still runs in the namespace, which goes with the last of it, and with it go
 * both ends of its links. While it lives nobody else can have the namespace's number.
 */
const holder = `
me=$(readlink /proc/self/ns/net)
echo ready
while read -r _; do :; done
for round in 1 2 3 4 5 6 7 8 9 10; do
  found=
  for each in /proc/[0-9]*; do
    pid=\${each#/proc/}
    if [ "$pid" != $$ ] && [ "$(readlink "$each/ns/net" 2>/dev/null)" = "$me" ]; then
      kill -9 "$pid" 2>/dev/null && found=1
    fi
  done
  [ -n "$found" ] || exit 0
done
exit 1
`;

/** A network namespace of this process's own. */
export interface Namespace {
  /** The file that it is entered by. */
  readonly file: string;
  readonly holderPid: number;
  /** Runs lines of ip(8) in it, in order, up to one that fails. @throws what ip said */
  ip(...lines: readonly string[]): Promise<string>;
  /** The same of tc(8). */
  tc(...lines: readonly string[]): Promise<string>;
  /** Sets what stands below /proc/sys/net. */
  set(settings: Readonly<Record<string, number>>): Promise<void>;
  /** Processes in it, its holder's left out. */
  pids(): number[];
  /** Kills what is in it, and gives it up. */
  close(): Promise<void>;
}

/** @throws when this user may not make one: that takes root, or a user namespace (see `mayMakeNetworks`) */
export async function openNamespace(): Promise<Namespace> {
  const child = spawn('unshare', ['--net', '--', 'sh', '-c', holder], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Ctrl-C at the terminal is for this process, which closes the namespace when it is done.
    detached: true,
  });
  await isReady(child);
  const pid = child.pid ?? 0;
  const file = `/proc/${pid}/ns/net`;
  const enter = ['nsenter', `--net=${file}`, '--'];
  return {
    file,
    holderPid: pid,
    ip: (...lines) => each([...enter, 'ip'], lines),
    tc: (...lines) => each([...enter, 'tc'], lines),
    set: (settings) =>
      each(
        [...enter, 'sh', '-c', 'echo "$1" > "/proc/sys/net/$0"'],
        Object.entries(settings).map(([name, value]) => `${name} ${value}`),
      ).then(() => undefined),
    pids: () => pidsIn(file).filter((each) => each !== pid),
    close: async () => {
      const ended = child.exitCode ?? child.signalCode ?? once(child, 'exit');
      child.stdin.end();
      await ended;
      if (child.exitCode !== 0)
        throw new Error(`the namespace of ${pid} still has processes, or its holder was killed`);
    },
  };
}

async function isReady(child: ChildProcess): Promise<void> {
  let said = '';
  child.stderr?.on('data', (piece: Buffer) => {
    said = (said + piece.toString()).slice(-2000);
  });
  // Either it says so, or it ends.
  await Promise.race([
    new Promise((resolve) => child.stdout?.once('data', resolve)),
    once(child, 'exit').then(() => {
      throw new Error(
        `no network namespace: ${said.trim()}; it takes root, or \`unshare -Urnm\` around this`,
      );
    }),
  ]);
}

/** Lines of ip(8) in this process's own namespace. */
export const ipHere = (...lines: readonly string[]): Promise<string> => each(['ip'], lines);

async function each(command: readonly string[], lines: readonly string[]): Promise<string> {
  const [program = '', ...first] = command;
  let said = '';
  for (const line of lines) {
    const args = [...first, ...line.split(' ')];
    try {
      said += (await run(program, args, { timeout: commandMs })).stdout;
    } catch (error) {
      const { stderr = '' } = error as { stderr?: string };
      throw new Error(`${[program, ...args].join(' ')}: ${stderr.trim() || String(error)}`, { cause: error });
    }
  }
  return said;
}

function pidsIn(file: string): number[] {
  const number = readlinkSync(file);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => linkOf(pid) === number);
}

/** The number of a process's namespace; undefined when it has just ended, or is a zombie. */
function linkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}
