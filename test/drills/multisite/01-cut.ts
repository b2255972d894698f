import { leaseMsOf, parseSites } from '#compose/runner/sites.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { openBranch, sitesWith } from '../../site-world.ts';
import type { Step } from '../drill.ts';
import { hosts } from '../hosts.ts';
import { slaveHosts } from './drill.ts';
import { measureLine } from './line-bytes.ts';
import { startPeople } from './people.ts';

const delayMs = 10;
const peopleThere = 4;
const pauseMs = 50;
/** For what a lease has admitted to come back. */
const onItsWayMs = 1000;

const { slave } = parseSites(sitesWith());
const leaseMs = slave === undefined ? 0 : leaseMsOf(slave);

export const step: Step = async (context) => {
  const { mesh, network, lastsMs, undo, watch, settle, broken, mended, figure, note } = context;
  const line = async (ms: number): Promise<void> => {
    for (const a of hosts) for (const b of slaveHosts) await network().delay(a, b, ms);
  };
  await line(delayMs);
  undo(() => line(0));
  await openBranch(mesh);
  const people = await startPeople(mesh, peopleThere, pauseMs);
  undo(() => people.stop());
  if (lastsMs <= leaseMs) await measureLine(context, people);
  people.pauseMs = pauseMs;
  await settle('two sites, with people at both');

  await broken();
  undo(() => network().heal());
  await network().partition(hosts, slaveHosts);
  const cut = performance.now();
  await watch(lastsMs);
  await network().heal();
  const healed = performance.now();
  await mended();
  await waitFor(() => people.asked.some(({ begun, failure }) => begun > healed && failure === undefined), {
    timeoutMs: 60_000,
    what: 'local requests to be answered again',
  });
  const first = people.asked.find(({ begun, failure }) => begun > healed && failure === undefined);
  await watch(2000);

  const meanwhile = people.asked.filter(({ begun, ended }) => ended > cut && begun < healed);
  const failed = meanwhile.filter(({ failure }) => failure !== undefined);
  const reasons = [...new Set(failed.map(({ failure }) => failure))].join(', ') || 'none';
  note(`${meanwhile.length} local requests while the line was cut, ${failed.length} failed (${reasons})`);
  figure({
    name: 'local requests answered after the line was back',
    value: Math.round((first?.ended ?? Number.NaN) - healed),
    unit: 'ms',
  });
  if (lastsMs <= leaseMs) {
    figure({ name: 'local requests that failed', value: failed.length, unit: '', atMost: 0 });
    const slowest = Math.max(...meanwhile.map(({ begun, ended }) => ended - begun));
    figure({ name: 'slowest local request', value: Math.round(slowest), unit: 'ms' });
    return;
  }
  const silent = meanwhile.filter(({ ended }) => ended > cut + leaseMs + onItsWayMs && ended < healed);
  figure({
    name: 'local requests answered after the last lease was over',
    value: silent.filter(({ failure }) => failure === undefined).length,
    unit: '',
    atMost: 0,
  });
  figure({ name: 'local requests refused then', value: silent.length, unit: '', atLeast: 1 });
  const rodeOut = meanwhile.filter(({ ended }) => ended < cut + leaseMs - 10_000);
  figure({
    name: 'local requests that failed within the time that is to be ridden out',
    value: rodeOut.filter(({ failure }) => failure !== undefined).length,
    unit: '',
    atMost: 0,
  });
};
