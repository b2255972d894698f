import { execFile } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { promisify } from 'node:util';
import { firstOnPath } from '#compose/parts/executables.ts';
import type { Place } from '#compose/topology/embedded.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { ProgramSpec } from './supervised.ts';

const run = promisify(execFile);

/** Milliseconds for a look into a namespace. */
const lookMs = 5000;

/** A failure domain on which pods are placed: `host-0`, a unique name. Its pods listen on its IP address. */
export interface Host extends Place {
  /**
   * File of the network namespace in which its processes run: `/run/netns/<name>`, `/proc/<pid>/ns/net`.
   * Without it they run in this process's own. Sockets of processes and sidecars are files, which all
   * namespaces share. Whoever makes the namespace also sees to its address, its loopback and its routes.
   */
  readonly netns?: string;
}

/** How programs come onto the host of their pod. */
export interface Hosts {
  /** Undefined: the default of the topology. */
  readonly places: readonly Host[] | undefined;
  /** Whether the addresses of the host are those of another network namespace. */
  isElsewhere(address: string): boolean;
  /** The program as it is started there. Its pid stays its own: nsenter(1) becomes it. */
  placed(host: string, spec: ProgramSpec): ProgramSpec;
}

/**
 * @param others hosts on which the topology places pods by itself: those of another site
 * @throws CONFIG_INVALID for hosts that are no hosts; START_FAILED when a namespace cannot be entered, which
 * takes CAP_SYS_ADMIN over it
 */
export async function openHosts(
  places: readonly Host[] | undefined,
  env: NodeJS.ProcessEnv,
  others: readonly Host[] = [],
): Promise<Hosts> {
  const all = [...(places ?? []), ...others];
  const namespaces = new Map(all.flatMap(({ name, netns }) => (netns ? [[name, netns]] : [])));
  if (places?.length === 0) throw noHost();
  checkHosts(all);
  if (namespaces.size === 0) return { places, isElsewhere: () => false, placed: (_, spec) => spec };
  const nsenter = await firstOnPath(['nsenter'], env);
  if (nsenter === undefined) {
    throw new SallyportError('START_FAILED', {
      message: 'hosts are network namespaces, and there is no nsenter on PATH to enter them with',
      hint: 'install util-linux',
    });
  }
  for (const [name, netns] of namespaces) await checkEntry(nsenter, name, netns);
  const elsewhere = new Set(all.flatMap(({ address, netns }) => (netns ? [address] : [])));
  return {
    places,
    isElsewhere: (address) => elsewhere.has(address),
    placed: (host, spec) => {
      const netns = namespaces.get(host);
      if (netns === undefined) return spec;
      return { ...spec, command: nsenter, args: [`--net=${netns}`, '--', spec.command, ...spec.args] };
    },
  };
}

const noHost = (): SallyportError =>
  new SallyportError('CONFIG_INVALID', {
    message: 'there is no host to place pods on',
    hint: 'name one, or leave `hosts` out',
  });

function checkHosts(places: readonly Host[]): void {
  const invalid = (message: string, hint: string): never => {
    throw new SallyportError('CONFIG_INVALID', { message, hint });
  };
  const names = new Set<string>();
  for (const { name, netns } of places) {
    if (names.has(name)) invalid(`two hosts are named ${name}`, 'give each host a name of its own');
    names.add(name);
    if (netns !== undefined && !isAbsolute(netns))
      invalid(`${name}: "${netns}" is no file of a network namespace`, 'for example /run/netns/name');
  }
}

async function checkEntry(nsenter: string, name: string, netns: string): Promise<void> {
  try {
    await run(nsenter, [`--net=${netns}`, '--', 'true'], { timeout: lookMs });
  } catch (cause) {
    throw new SallyportError('START_FAILED', {
      message: `the network namespace ${netns} of ${name} cannot be entered`,
      hint: 'look whether the file is there; entering takes root, or a user namespace of your own (unshare -Urn)',
      cause,
    });
  }
}
