/**
 * Hosts as network namespaces, each with a link to a router that is a namespace too. What happens to the
 * network happens at the router: nothing of this machine's own configuration is touched but for one link and
 * one route, which vanish with the router. Needs iproute2, util-linux and root (or a user namespace).
 */
import { randomBytes } from 'node:crypto';
import type { Host } from '#compose/runner/hosts.ts';
import { freePrefix } from './addresses.ts';
import { type Delays, openDelays } from './delays.ts';
import { ipHere, type Namespace, openNamespace } from './namespace.ts';

/** Where this process and its phones are. */
export const outside = 'outside';

export interface Network {
  /** For `startMesh`. */
  readonly hosts: readonly (Host & { readonly netns: string })[];
  /** Packets from one place to another vanish, as in a black hole; not those of the way back. */
  drop(from: string, to: string): Promise<void>;
  /** Nothing passes between the two groups, in either direction. `outside` is a place like any other. */
  partition(group: readonly string[], others: readonly string[]): Promise<void>;
  /** Nothing passes between the host and anybody, this process's phones included. */
  isolate(host: string): Promise<void>;
  /** Pulls the cable: the host notices that, the others only that it is silent. */
  linkDown(host: string): Promise<void>;
  /** Undoes drops, partitions, isolation and pulled cables. */
  heal(): Promise<void>;
  /** Milliseconds that packets between two places take, each way; 0 for none. */
  delay(a: string, b: string, ms: number): Promise<void>;
  /** Bytes that have been delayed so far, both ways, all pairs of places together. */
  delayedBytes(): Promise<number>;
  /** Bits per second to and from the host; undefined for no limit. */
  bandwidth(host: string, bitsPerSecond: number | undefined): Promise<void>;
  /** Processes on the host. */
  pids(host: string): number[];
  /** Sends a signal to everything on the host at once; gives how many it was. */
  signalAll(host: string, signal: NodeJS.Signals): number;
  /** Kills what still runs on the hosts, and removes all of it. Harmless when repeated. */
  close(): Promise<void>;
}

/** Priorities of the router's rules: what drops comes before what delays (delays.ts). */
const dropPriority = 1000;

/** Two runs may choose the same range at the same moment; the later one chooses again. */
const tries = 5;

/** A network of hosts of these names. @throws when namespaces cannot be made here */
export async function openNetwork(names: readonly string[]): Promise<Network> {
  const opened: Namespace[] = [];
  const open = async (): Promise<Namespace> => {
    const namespace = await openNamespace();
    opened.push(namespace);
    return namespace;
  };
  let link: string | undefined;
  const closeAll = async (): Promise<void> => {
    const [router, ...others] = opened.splice(0);
    await Promise.all(others.map((namespace) => namespace.close()));
    // It would vanish with the router, but at a time of the kernel's choosing.
    if (link !== undefined) await ipHere(`link del ${link}`);
    link = undefined;
    await router?.close();
  };
  try {
    const router = await open();
    link = await uplink(router);
    const prefix = await addressRange(router, link);
    const places = await Promise.all(
      names.map(async (name, n) => ({
        name,
        address: `${prefix}.${11 + n}`,
        inside: await open(),
        link: `host${n}`,
      })),
    );
    for (const place of places) await connect(router, prefix, place);
    return network(router, prefix, places, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

interface Place {
  readonly name: string;
  readonly address: string;
  readonly inside: Namespace;
  /** The router's end of its link; `eth0` is its own. */
  readonly link: string;
}

/** The link between this process's namespace and the router; gives its name here. There it is `world`. */
async function uplink(router: Namespace): Promise<string> {
  const link = `sp-${randomBytes(5).toString('hex')}`;
  // Room for what delays.ts wraps around packets of 1500 bytes.
  await ipHere(`link add name ${link} mtu 4000 type veth peer name world mtu 4000 netns ${router.holderPid}`);
  await router.set({
    'ipv4/ip_forward': 1,
    // Delayed packets come back by another way than they went.
    'ipv4/conf/all/rp_filter': 0,
    'ipv4/conf/default/rp_filter': 0,
    'ipv4/conf/world/rp_filter': 0,
  });
  await router.ip('link set lo up', 'link set world up');
  await ipHere(`link set ${link} up`);
  return link;
}

/** Takes a range of addresses that is free here, `10.x.y`; the router's is the first of them, ours the last. */
async function addressRange(router: Namespace, link: string): Promise<string> {
  for (let n = 1; ; n++) {
    const prefix = await freePrefix();
    try {
      await ipHere(
        `addr add ${prefix}.254/32 dev ${link}`,
        `route add ${prefix}.1 dev ${link} src ${prefix}.254`,
      );
      await ipHere(`route add ${prefix}.0/24 via ${prefix}.1 src ${prefix}.254`);
    } catch (error) {
      await ipHere(`addr flush dev ${link}`);
      if (n === tries) throw error;
      continue;
    }
    await router.ip(
      `addr add ${prefix}.1/32 dev world`,
      `route add ${prefix}.254 dev world`,
      // A host whose cable is pulled is silent; without this the router would say so to whoever calls it.
      `route add blackhole ${prefix}.0/24`,
    );
    return prefix;
  }
}

async function connect(
  router: Namespace,
  prefix: string,
  { address, inside, link }: Omit<Place, 'name'>,
): Promise<void> {
  await router.ip(`link add name ${link} type veth peer name eth0 netns ${inside.holderPid}`);
  await router.ip(
    `addr add ${prefix}.1/32 dev ${link}`,
    `link set ${link} up`,
    `route add ${address} dev ${link}`,
  );
  await inside.ip(
    'link set lo up',
    `addr add ${address}/32 dev eth0`,
    'link set eth0 up',
    `route add ${prefix}.1 dev eth0`,
    `route add default via ${prefix}.1`,
  );
}

function network(
  router: Namespace,
  prefix: string,
  places: readonly Place[],
  closeAll: () => Promise<void>,
): Network {
  const rules: string[] = [];
  const down = new Set<Place>();
  let delays: Promise<Delays> | undefined;
  const placeOf = (name: string): Place => {
    const place = places.find((each) => each.name === name);
    if (place === undefined)
      throw new Error(`there is no host ${name}; there are ${places.map((p) => p.name).join(', ')}`);
    return place;
  };
  const addressOf = (name: string): string => (name === outside ? `${prefix}.254` : placeOf(name).address);
  const drop = async (from: string, to: string): Promise<void> => {
    const rule = `priority ${dropPriority} from ${addressOf(from)} to ${addressOf(to)} blackhole`;
    if (rules.includes(rule)) return;
    rules.push(rule);
    await router.ip(`rule add ${rule}`);
  };
  const partition = async (group: readonly string[], others: readonly string[]): Promise<void> => {
    for (const a of group) {
      for (const b of others) {
        await drop(a, b);
        await drop(b, a);
      }
    }
  };
  return {
    hosts: places.map(({ name, address, inside }) => ({ name, address, netns: inside.file })),
    drop,
    partition,
    isolate: (host) =>
      partition([host], [outside, ...places.filter((each) => each.name !== host).map((each) => each.name)]),
    linkDown: async (host) => {
      const place = placeOf(host);
      down.add(place);
      await router.ip(`link set ${place.link} down`);
    },
    heal: async () => {
      for (const rule of rules.splice(0)) await router.ip(`rule del ${rule}`);
      for (const { link, address } of down)
        await router.ip(`link set ${link} up`, `route add ${address} dev ${link}`);
      down.clear();
    },
    delay: async (a, b, ms) => {
      delays ??= openDelays(router, prefix);
      await (await delays).set(addressOf(a), addressOf(b), ms);
    },
    delayedBytes: async () => (await delays)?.bytes() ?? 0,
    bandwidth: async (host, bitsPerSecond) => {
      const { inside, link } = placeOf(host);
      for (const [namespace, device] of [
        [router, link],
        [inside, 'eth0'],
      ] as const) {
        if (bitsPerSecond === undefined) await namespace.tc(`qdisc del dev ${device} root`);
        else
          await namespace.tc(
            `qdisc replace dev ${device} root tbf rate ${bitsPerSecond}bit burst 64kb latency 200ms`,
          );
      }
    },
    pids: (host) => placeOf(host).inside.pids(),
    signalAll: (host, signal) => {
      const pids = placeOf(host).inside.pids();
      for (const pid of pids) send(pid, signal);
      return pids.length;
    },
    close: async () => {
      await (await delays)?.close();
      delays = undefined;
      await closeAll();
    },
  };
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has ended just now.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
