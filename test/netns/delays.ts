import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Delay } from './delay-relay.ts';
import type { Namespace } from './namespace.ts';
import { vxlan } from './vxlan.ts';

/** What the router does by way of delay-relay.ts: packets go there, and come back when it is time. */
export interface Delays {
  /** Milliseconds each way between two addresses; 0 for none. */
  set(a: string, b: string, ms: number): Promise<void>;
  /** That have been sent to the relay so far. */
  bytes(): Promise<number>;
  close(): Promise<void>;
}

const rulePriority = 2000;
const table = 100;
/** An address that only stands for the way to the relay (RFC 3927). */
const hop = '169.254.77.1';
const mac = '02:00:00:00:00:02';

export async function openDelays(router: Namespace, prefix: string): Promise<Delays> {
  const ends = `remote ${prefix}.254 local ${prefix}.1 dstport ${vxlan.port} nolearning`;
  await router.ip(
    `link add name away mtu 1500 type vxlan id ${vxlan.away} ${ends}`,
    `link add name back mtu 1500 address ${mac} type vxlan id ${vxlan.back} ${ends}`,
    // Packets of a wire's size: the relay gets each by itself.
    'link set away gso_max_segs 1',
    'link set away up',
    'link set back up',
    `neigh add ${hop} lladdr ${mac} dev away nud permanent`,
    `route add default via ${hop} dev away onlink table ${table}`,
    // What comes back has waited.
    `rule add priority ${rulePriority - 1} iif back lookup main`,
  );
  await router.set({ 'ipv4/conf/back/rp_filter': 0 });
  const relay = spawn(
    process.execPath,
    [join(import.meta.dirname, 'delay-relay.ts'), `${prefix}.254`, `${prefix}.1`],
    { stdio: ['pipe', 'pipe', 'inherit'], detached: true },
  );
  const answers = createInterface({ input: relay.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<void> => {
    if ((await answers.next()).done === true) throw new Error('the relay that delays packets has ended');
  };
  await answer();
  const delays = new Map<string, Delay>();
  return {
    set: async (a, b, ms) => {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        const key = `${from} ${to}`;
        const rule = `priority ${rulePriority} from ${from} to ${to} lookup ${table}`;
        const had = delays.has(key);
        if (ms > 0) delays.set(key, { from, to, ms });
        else delays.delete(key);
        relay.stdin.write(`${JSON.stringify([...delays.values()])}\n`);
        await answer();
        if (had !== ms > 0) await router.ip(`rule ${ms > 0 ? 'add' : 'del'} ${rule}`);
      }
    },
    bytes: async () => {
      const [away] = JSON.parse(await router.ip('-j -s link show dev away')) as [
        { stats64: { tx: { bytes: number } } },
      ];
      return away.stats64.tx.bytes;
    },
    close: async () => {
      const ended = relay.exitCode ?? once(relay, 'exit');
      relay.stdin.end();
      await ended;
    },
  };
}
