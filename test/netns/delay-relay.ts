/**
 * Delays packets, since not every kernel has netem: `node test/netns/delay-relay.ts OWN_IP ROUTER_IP`. The
 * router sends it what is to be delayed as VXLAN (RFC 7348), and takes it back under another network number.
 * Lines of JSON on standard input say what is delayed by how much; at its end the relay ends.
 *
 * A packet waits for its delay at least, and longer by what timers and a busy machine add: some ms, where this
 * process may run ahead of others (root), and as long as it has to wait for a core where it may not. Order is
 * kept. What has no delay any more passes at once.
 */
import { createSocket } from 'node:dgram';
import { constants, setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { vxlan } from './vxlan.ts';

/** One way: IPv4 addresses, milliseconds. */
export interface Delay {
  readonly from: string;
  readonly to: string;
  readonly ms: number;
}

/** Bytes that the system may keep while this process is busy; it may give less (net.core.rmem_max). */
const bufferBytes = 8 * 2 ** 20;
/** Packets under way, beyond which more are dropped, as a router does. */
const maxUnderWay = 50_000;

const [ownIp = '', routerIp = ''] = process.argv.slice(2);
let delays = new Map<string, number>();
let underWay = 0;

const socket = createSocket('udp4');
socket.on('message', (packet) => {
  const inner = vxlan.addresses(packet);
  if (inner === undefined || underWay >= maxUnderWay) return;
  vxlan.completeChecksum(packet);
  vxlan.setNetwork(packet, vxlan.back);
  const ms = delays.get(`${inner.from} ${inner.to}`) ?? 0;
  if (ms === 0) return send(packet);
  underWay += 1;
  setTimeout(() => {
    underWay -= 1;
    send(packet);
  }, ms);
});

function send(packet: Buffer): void {
  // What cannot be sent is lost, as on any network; the end points repeat it.
  socket.send(packet, vxlan.port, routerIp, () => {});
}

try {
  // All hosts wait for this process: that it does not get to run must not look like a network that is cut.
  setPriority(constants.priority.PRIORITY_HIGHEST);
} catch (error) {
  // In a user namespace it may not: the delays are then as honest as the machine is idle.
  if ((error as { code?: string }).code !== 'ERR_SYSTEM_ERROR') throw error;
}

socket.bind(vxlan.port, ownIp, () => {
  socket.setRecvBufferSize(bufferBytes);
  socket.setSendBufferSize(bufferBytes);
  process.stdout.write('ready\n');
});

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const given = JSON.parse(line) as readonly Delay[];
  delays = new Map(given.map(({ from, to, ms }) => [`${from} ${to}`, ms]));
  process.stdout.write('set\n');
});
lines.on('close', () => process.exit(0));
