import { socketPath } from '#compose/topology/paths.ts';
import { podsOf } from '#compose/topology/query.ts';
import { readStats } from '#envoy/admin/stats.ts';
import type { OwnMesh } from '../../mesh.ts';
import { siteNames } from '../../site-world.ts';
import type { StepContext } from '../drill.ts';
import type { SlavePeople } from './people.ts';

/** In each window every lease in use is renewed as often. */
const windowMs = 12_000;

/** Bytes between the slave site's proxies and the master's security tier, as their sidecars have counted them. */
async function proxyBytes({ topology }: OwnMesh): Promise<number> {
  const proxies = podsOf(topology, 'proxy').filter(({ site }) => site === siteNames.slave);
  const sums = await Promise.all(
    proxies.map(async ({ name }) => {
      const { numbers } = await readStats(
        socketPath(topology, name, 'admin'),
        '^cluster\\.security.*\\.upstream_cx_[rt]x_bytes_total$',
      );
      return [...numbers.values()].reduce((sum, bytes) => sum + bytes, 0);
    }),
  );
  return sums.reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * What a local request sends over the line: as many seconds with many requests and with few, by the same people, whose
 * leases are renewed either way. The line itself also carries others' logins, so that its own bytes are told only.
 */
export async function measureLine(
  { mesh, network, watch, figure, note }: StepContext,
  people: SlavePeople,
): Promise<void> {
  const during = async (pauseMs: number) => {
    people.pauseMs = pauseMs;
    const [proxies, line, requests] = [
      await proxyBytes(mesh),
      await network().delayedBytes(),
      people.asked.length,
    ];
    await watch(windowMs);
    return {
      proxies: (await proxyBytes(mesh)) - proxies,
      line: (await network().delayedBytes()) - line,
      requests: people.asked.length - requests,
    };
  };
  const few = await during(1000);
  const many = await during(0);
  const more = many.requests - few.requests;
  for (const [what, { requests, proxies, line }] of Object.entries({ few, many })) {
    note(
      `${what}: ${requests} local requests; ${proxies} bytes of proxies, ${line} bytes on the line in ${windowMs / 1000} s`,
    );
  }
  figure({ name: 'local requests that were compared', value: more, unit: '', atLeast: 500 });
  figure({
    name: 'bytes over the line for each local request with a lease held',
    value: Math.max(0, Math.round((many.proxies - few.proxies) / Math.max(1, more))),
    unit: 'B',
    atMost: 0,
  });
}
