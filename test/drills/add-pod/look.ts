import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { demoOrigin } from '#compose/demo/app.ts';
import { socketPath } from '#compose/topology/paths.ts';
import { podsOf, portOf } from '#compose/topology/query.ts';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { Probe } from '../../grpc-probe.ts';
import type { OwnMesh } from '../../mesh.ts';
import type { HeldSession } from '../load/messages.ts';

/** The pod that each key, or session, leads to. */
export type Places = ReadonlyMap<string, string>;

/** Whose sidecar is asked; all agree. */
const asker = 'proxy-0';
const routeHeader = 'x-sallyport-route';
const toldHeader = 'x-drill-upstream';
const keys = Array.from({ length: 4000 }, (_, n) => `drill-route-${n}`);
/** Fewer than would be refused as a flood: what is refused is tried at another pod. */
const atOnce = 16;

/** Makes the asked sidecar tell which pod has answered. Gives how to end that. */
export async function tellUpstream(mesh: OwnMesh): Promise<() => Promise<void>> {
  const patchesDir = join(mesh.stateDir, 'drill-patches');
  mkdirSync(patchesDir, { recursive: true });
  const header = { key: toldHeader, value: '%UPSTREAM_HOST%' };
  const patch = {
    match: { type: 'RouteConfiguration', name: 'out', pod: asker },
    merge: { response_headers_to_add: [{ header }] },
  };
  // JSON is YAML.
  writeFileSync(join(patchesDir, 'tell.yaml'), JSON.stringify([patch]));
  await mesh.apply({ patchesDir });
  return async () => {
    await mesh.apply({});
    rmSync(patchesDir, { recursive: true, force: true });
  };
}

/** Where calls by each of 4,000 keys arrive. They are empty, so the pod refuses them, which does not matter. */
export async function placesOfKeys({ topology }: OwnMesh): Promise<Places> {
  const names = new Map(
    podsOf(topology, 'security').map((pod) => [`${pod.address}:${portOf(pod, 'mesh')}`, pod.name]),
  );
  const probe = Probe.overSocket(socketPath(topology, asker, 'out'));
  try {
    return await eachOf(keys, async (key) => {
      const { headers } = await probe.call('/sallyport.keystore.v1.KeyStore/LeaseSessionKey', {
        [routeHeader]: key,
      });
      const pod = names.get(String(headers[toldHeader]));
      if (pod === undefined) throw new Error(`nobody knows who answered: ${JSON.stringify(headers)}`);
      return [key, pod];
    });
  } finally {
    probe.close();
  }
}

/** Which pod answers for each session, asked by its route as a proxy asks: it then holds it. */
export async function placesOfSessions(
  { topology }: OwnMesh,
  sessions: readonly HeldSession[],
): Promise<Places> {
  const client = createGrpcClient(ProxyAuthorize, {
    address: `unix:${socketPath(topology, asker, 'out')}`,
    defaultDeadlineMs: 30_000,
  });
  const request = { method: 'GET', authority: new URL(demoOrigin).host, path: '/whoami' };
  try {
    return await eachOf(sessions, async ({ id, routeKey }) => {
      const { lease } = await client.authorize(
        { subject: { case: 'sessionId', value: id }, request },
        { headers: { [routeHeader]: routeKey } },
      );
      return [id, lease?.pod ?? ''];
    });
  } finally {
    client.close();
  }
}

/** Of those in both, how many are elsewhere now: at `to`, and at others. */
export function movedBetween(before: Places, after: Places, to: string): { to: number; others: number } {
  const now = [...before].filter(([key, pod]) => after.get(key) !== pod).map(([key]) => after.get(key));
  const there = now.filter((pod) => pod === to).length;
  return { to: there, others: now.length - there };
}

async function eachOf<T>(
  all: readonly T[],
  look: (one: T) => Promise<readonly [string, string]>,
): Promise<Places> {
  const found = new Map<string, string>();
  const left = all.values();
  const strand = async (): Promise<void> => {
    for (const one of left) found.set(...(await look(one)));
  };
  await Promise.all(Array.from({ length: atOnce }, strand));
  return found;
}
