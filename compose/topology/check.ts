import { isIP } from 'node:net';
import { SallyportError } from '#core/errors/error.ts';
import { maxSocketPathBytes, socketNames, socketPath } from './paths.ts';
import { portsOf, type Topology } from './types.ts';

const podName = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;

function invalid(message: string, hint: string): never {
  throw new SallyportError('CONFIG_INVALID', { message, hint });
}

/** Throws CONFIG_INVALID if names clash, a port is missing, taken twice or ephemeral, or a socket path is too long. */
export function checkTopology(t: Topology): void {
  const names = new Set<string>();
  const taken = new Map<string, string>();
  for (const pod of t.pods) {
    if (!podName.test(pod.name))
      invalid(
        `pod name ${JSON.stringify(pod.name)} is not allowed`,
        'use a-z, 0-9 and -, at most 40 characters',
      );
    if (names.has(pod.name)) invalid(`two pods are named ${pod.name}`, 'give each pod a name of its own');
    names.add(pod.name);
    if (isIP(pod.address) === 0)
      invalid(
        `${pod.name}: address ${JSON.stringify(pod.address)} is no IP address`,
        'Envoy needs addresses, not names',
      );
    if ((pod.role === 'backend') !== (pod.backend !== undefined))
      invalid(`${pod.name}: only a backend, and every backend, names its cluster`, 'set backend.cluster');
    if ((pod.role === 'gateway') !== (pod.gateway !== undefined))
      invalid(`${pod.name}: only a gateway, and every gateway, is of a group`, 'set gateway.group');
    for (const port of portsOf[pod.role]) {
      const number = pod.ports[port];
      if (number === undefined || !Number.isInteger(number) || number < 1 || number > 32767)
        invalid(
          `${pod.name}: port ${port} is ${number}`,
          'ports lie from 1 to 32767, below the ephemeral ones',
        );
      const at = `${pod.address}:${number}`;
      const other = taken.get(at);
      if (other !== undefined)
        invalid(`${at} is given to both ${other} and ${pod.name}`, 'reserve a port only once');
      taken.set(at, pod.name);
    }
    const longest = Math.max(...socketNames.map((name) => Buffer.byteLength(socketPath(t, pod.name, name))));
    if (longest > maxSocketPathBytes)
      invalid(
        `sockets of ${pod.name} would have paths of ${longest} bytes, more than ${maxSocketPathBytes}`,
        'choose a shorter run folder (TMPDIR)',
      );
  }
}
