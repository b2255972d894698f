import { isFollowing, statusOf } from '#compose/runner/ready.ts';
import { groupOf, replicasOf } from '#compose/topology/query.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { ownMesh } from '#test/mesh.ts';
import { enrolDevice } from '#test/mesh-device.ts';
import { openNetwork } from '#test/netns/network.ts';
import { openBranch, siteNames, sitesWith } from '#test/site-world.ts';
import type { DrillDefinition } from '../drill.ts';
import { hosts } from '../hosts.ts';
import { nearestRank } from '../nearest-rank.ts';
import { startVisitors, type Visitors } from './visitors.ts';

const slaveHost = 'geneva-0';
const phonesPerSite = 4;
const lagMs = 15_000;
const everyMs = 250;
/** For old nodes to have been started again, and to try what they can. */
const aloneMs = 10_000;
const backMs = 120_000;

export const drill: DrillDefinition = {
  about:
    'the master site is lost with everything on its hosts, the slave takes over, and the master comes back as slave',
  failures: [{ name: 'SIGKILL of the whole master site, and promotion', goals: {}, victims: () => [] }],
  alone: async ({ signal, progress, figure, note }) => {
    const network = await openNetwork([...hosts, slaveHost]);
    let mesh: Awaited<ReturnType<typeof ownMesh>> | undefined;
    let visitors: Visitors | undefined;
    try {
      const there = network.hosts.filter(({ name }) => name === slaveHost);
      const running = await ownMesh({
        hosts: network.hosts.filter(({ name }) => name !== slaveHost),
        sites: sitesWith({ hosts: there, edges: 1, proxies: 1 }),
        sizes: { security: 2, proxies: 1, edges: 1 },
        progress: (line) => progress(`  mesh: ${line}`),
      });
      mesh = running;
      await openBranch(running);
      const old = groupOf(running.topology);
      const [replica] = replicasOf(running.topology);
      if (replica === undefined) throw new Error('there is no replica');
      const phones = [];
      for (let n = 0; n < 2 * phonesPerSite; n += 1) phones.push(await enrolDevice(running));
      const sites = phones.map((_, n) => (n % 2 === 0 ? siteNames.master : siteNames.slave));
      visitors = startVisitors(phones, sites);

      const lags: number[] = [];
      const until = performance.now() + lagMs;
      while (performance.now() < until) {
        signal.throwIfAborted();
        const { replica: word } = await statusOf(running.topology, replica);
        lags.push(word?.lagMs ?? Number.POSITIVE_INFINITY);
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
      note(
        `${visitors.logins} logins at both sites, lag sampled ${lags.length} times, median ${nearestRank(lags, 0.5)} ms`,
      );
      figure({ name: 'lag of the replica, p99', value: nearestRank(lags, 0.99), unit: 'ms', atMost: 1000 });

      progress('the master site is lost');
      for (const host of hosts) await network.isolate(host);
      for (const host of hosts) network.signalAll(host, 'SIGKILL');
      let served = 0;
      const look = async (): Promise<void> => {
        for (const node of old) {
          // Whoever does not answer serves nobody either.
          const state = await statusOf(running.topology, node).then(
            (s) => s.state,
            () => 'DOWN',
          );
          if (state === 'ONLINE') served += 1;
        }
      };
      // An agent's word may be of a moment before.
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const alone = performance.now() + aloneMs;
      while (performance.now() < alone) {
        await look();
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
      visitors.goTo(siteNames.slave);
      const began = performance.now();
      const firstLogin = visitors.nextLogin();
      const promoted = running.promoteSite({ progress: (line) => progress(`  mesh: ${line}`), signal });
      promoted.catch(() => undefined);
      await Promise.race([firstLogin, promoted.then(() => firstLogin)]);
      figure({
        name: 'promotion until the first login',
        value: Math.round((performance.now() - began) / 100) / 10,
        unit: 's',
        atMost: 30,
      });
      const { era, servedAfterMs } = await promoted;
      note(`era ${era}; the site served after ${Math.round(servedAfterMs / 100) / 10} s`);
      figure({ name: 'looks at which an old node was in a group', value: served, unit: '', atMost: 0 });
      const everybody = visitors;
      await waitFor(() => everybody.loggedIn() === phones.length, {
        ...{ timeoutMs: backMs, signal },
        what: 'all phones to log in',
      });
      figure({
        name: 'devices that had to enrol again',
        value: phones.length - visitors.loggedIn(),
        unit: '',
        atMost: 0,
      });

      progress('the line is back, and the old master rejoins');
      await network.heal();
      const healed = performance.now();
      const { superseded } = await running.rejoinSite({
        progress: (line) => progress(`  mesh: ${line}`),
        signal,
      });
      note(
        `of its own the old master had: ${superseded.map(({ pod, only }) => `${pod} ${only || 'nothing'}`).join(', ')}`,
      );
      const [now] = replicasOf(running.topology);
      if (now === undefined) throw new Error('the old master has no replica');
      await waitFor(() => isFollowing(running.topology, now), {
        ...{ timeoutMs: backMs, signal },
        what: `${now.name} to follow`,
      });
      figure({
        name: 'rejoined as slave',
        value: Math.round((performance.now() - healed) / 1000),
        unit: 's',
      });
    } finally {
      await visitors?.stop();
      await mesh?.close();
      await network.close();
    }
  },
};
