import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkTopology } from '#compose/topology/check.ts';
import { socketPath } from '#compose/topology/paths.ts';
import type { Topology } from '#compose/topology/types.ts';
import { openPki, type Pki } from '#kernel/pki/pki.ts';
import type { RenderedPod } from '../build/render.ts';
import { isObject, type Json, type JsonObject } from '../model/json.ts';

/** A copy of a topology in folders of its own, whose Envoys meet nobody of the mesh that it was made from. */
export interface Scratch {
  readonly topology: Topology;
  readonly pki: Pki;
  /** Removes the folders; its Envoys have to be stopped before. */
  close(): void;
}

const loopback = '127.0.0.1';

/**
 * Every pod gets a port of loopback on which nobody listens (from 1 on: reserved, and refused at once), so
 * that a trial Envoy does not check the health of pods that serve, and certificates of an authority that is
 * forgotten afterwards.
 * @throws CONFIG_INVALID when the temporary folder's path is too long for sockets
 */
export async function openScratch(from: Topology): Promise<Scratch> {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), 'sp-check-')));
  const close = (): void => rmSync(dir, { recursive: true, force: true });
  let next = 1;
  const topology: Topology = {
    ...from,
    stateDir: join(dir, 's'),
    runDir: join(dir, 'r'),
    pods: from.pods.map((pod) => ({
      ...pod,
      address: loopback,
      ports: Object.fromEntries(Object.keys(pod.ports).map((port) => [port, next++])),
    })),
  };
  try {
    checkTopology(topology);
    const pki = await openPki(topology.stateDir, { trustDomain: from.trustDomain });
    return { topology, pki, close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * The rendering with what a trial may not share with a running mesh replaced: listeners take whatever port
 * of loopback is free, and the admin is where the trial asks it. Endpoints stay as they are.
 */
export function onFreePorts(rendered: RenderedPod, topology: Topology): RenderedPod {
  const { bootstrap, xds } = rendered;
  const admin = { address: { pipe: { path: socketPath(topology, rendered.pod, 'admin'), mode: 0o600 } } };
  return {
    ...rendered,
    bootstrap: { ...bootstrap, admin },
    xds: { ...xds, lds: xds.lds.map(({ name, body }) => ({ name, body: unbound(body) })) },
  };
}

/** A listener's own addresses; those inside its filters are others'. */
function unbound(listener: JsonObject): JsonObject {
  const { address, additional_addresses: more } = listener;
  return {
    ...listener,
    ...(address === undefined ? {} : { address: anyPort(address) }),
    ...(Array.isArray(more)
      ? {
          additional_addresses: more.map((each: Json) =>
            isObject(each) && each.address !== undefined
              ? { ...each, address: anyPort(each.address as Json) }
              : each,
          ) as Json[],
        }
      : {}),
  };
}

function anyPort(address: Json): Json {
  const socket = isObject(address) ? address.socket_address : undefined;
  if (!isObject(socket) || typeof socket.port_value !== 'number') return address;
  return { socket_address: { ...(socket as JsonObject), address: loopback, port_value: 0 } };
}
