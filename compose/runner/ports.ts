import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { writeStateFile } from '#kernel/config/state-file.ts';

/** Below 32768, where the system takes the ports of outgoing connections from. */
const first = 20_000;
const last = 31_999;

const claims = z.record(z.string(), z.object({ stateDir: z.string(), of: z.string() }));
type Claims = z.infer<typeof claims>;

export interface WantedPort {
  /** What it is for: `sec-0 mesh`. */
  readonly of: string;
  readonly address: string;
  /** The address is not one of this network namespace, but can be reached from it. */
  readonly elsewhere?: boolean;
}

/** Milliseconds for an address elsewhere to say that nobody listens there. */
const answerMs = 3000;

export interface PortsOptions {
  /** Folder that all meshes of this user share. */
  readonly sharedDir: string;
  readonly stateDir: string;
  /** Runs the body under a lock that all of them respect. */
  readonly locked: <T>(body: () => Promise<T>) => Promise<T>;
  /** Ports that the mesh had on another machine, or in another folder: taken again if nobody has claimed them. */
  readonly hints?: Readonly<Record<string, number>>;
  /** Ports of what is not wanted now stay claimed: it is to come back. */
  readonly keepOthers?: boolean;
  /** What runs already: its ports are in use by itself, and kept. */
  readonly inUse?: ReadonlySet<string>;
}

/**
 * Ports for this state folder, by what they are for ("sec-0 mesh"): those it had before, as far as they
 * are free, else new ones. A claim lasts as long as its state folder, so a mesh that is down keeps its
 * ports, and two meshes never get the same.
 * @throws START_FAILED when none is free
 */
export function claimPorts(
  wanted: readonly WantedPort[],
  options: PortsOptions,
): Promise<ReadonlyMap<string, number>> {
  const { sharedDir, stateDir, locked, inUse, hints = {}, keepOthers = false } = options;
  return locked(async () => {
    mkdirSync(sharedDir, { recursive: true, mode: 0o700 });
    const file = join(sharedDir, 'ports.json');
    const all = living(readClaims(file));
    const before = new Map(
      Object.entries(all).flatMap(([port, claim]) =>
        claim.stateDir === stateDir ? [[claim.of, Number(port)] as const] : [],
      ),
    );
    for (const port of before.values()) delete all[port];
    // Whoever had a port comes for it later in the list: a pod that is new must not be given it.
    const kept = new Set(before.values());
    const given = new Map<string, number>();
    let next = first;
    for (const { of, ...at } of wanted) {
      const hint = hints[of];
      const free = hint !== undefined && all[hint] === undefined && !kept.has(hint) ? hint : undefined;
      let port = before.get(of) ?? free;
      if (port === undefined || !(inUse?.has(of) || (await isFree(port, at)))) {
        do port = next++;
        while (port <= last && (all[port] !== undefined || kept.has(port) || !(await isFree(port, at))));
      }
      if (port > last) {
        throw new SallyportError('START_FAILED', {
          message: `no port from ${first} to ${last} is free`,
          hint: 'stop what uses them, or remove state folders of meshes that are no more',
        });
      }
      all[port] = { stateDir, of };
      given.set(of, port);
    }
    if (keepOthers) for (const [of, port] of before) if (!given.has(of)) all[port] ??= { stateDir, of };
    writeStateFile(file, all);
    return given;
  });
}

function readClaims(file: string): Claims {
  try {
    return claims.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    // None yet, or damaged: what is in use will be found taken when it is tried.
    if (error instanceof SyntaxError || error instanceof z.ZodError) return {};
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return {};
    throw error;
  }
}

/** Claims of folders that are gone are nobody's. */
function living(all: Claims): Claims {
  return Object.fromEntries(
    Object.entries(all).filter(
      ([, { stateDir }]) => statSync(stateDir, { throwIfNoEntry: false }) !== undefined,
    ),
  );
}

function isFree(
  port: number,
  { address, elsewhere = false }: Pick<WantedPort, 'address' | 'elsewhere'>,
): Promise<boolean> {
  if (elsewhere) return refuses(port, address);
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: address, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Whether nobody listens there. @throws START_FAILED when the address does not answer at all */
function refuses(port: number, address: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: address, timeout: answerMs });
    const silent = (why: string): void =>
      reject(
        new SallyportError('START_FAILED', {
          message: `the host at ${address} does not answer (${why})`,
          hint: 'give its network namespace that address, and a route to and from this one',
        }),
      );
    socket.once('connect', () => resolve(false));
    socket.once('timeout', () => silent('no answer in time'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? resolve(true) : silent(error.code ?? error.message),
    );
    for (const event of ['connect', 'timeout', 'error']) socket.once(event, () => socket.destroy());
  });
}
