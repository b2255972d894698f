import { request } from 'node:http';
import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { AgentEndpoint } from './config.ts';
import { parseJson } from './parse-json.ts';
import { askStatus } from './peers.ts';
import { type NodeView, type RecoveryPlan, recoveryPlan } from './recovery-plan.ts';

export interface RecoveryOptions {
  readonly nodes: readonly { readonly pod: string; readonly agent: AgentEndpoint }[];
  /** The operator's word that pods which do not answer are lost for good, and data that only some have may be. */
  readonly force: boolean;
  /** The pod to go on with, when none has everything; default: the one with the most. */
  readonly from?: string | undefined;
  /** Milliseconds until all are members. */
  readonly timeoutMs: number;
  /** Milliseconds for which silent agents are waited for before they are given up, with `force`; default 10,000. */
  readonly silenceMs?: number | undefined;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
  /** Something has changed, in words. */
  readonly progress: (line: string) => void;
}

export interface Recovered {
  /** The pod that formed the group on the operator's word; undefined: it did not take one. */
  readonly forced: string | undefined;
  /** Pods whose data were put aside, with what the group does not have of them. */
  readonly putAside: readonly string[];
  readonly primary: string;
  /** Pods that did not answer; they join when they come back. */
  readonly missing: readonly string[];
  /** What may have been lost; empty when nothing was. */
  readonly mayHaveLost: string;
}

/** Milliseconds between two looks, and for one answer. */
const everyMs = 500;
const answerMs = 2000;

/** Asks all agents at once. Who gives no answer has no status. */
export async function askNodes(nodes: RecoveryOptions['nodes']): Promise<NodeView[]> {
  return Promise.all(
    nodes.map(async ({ pod, agent }) => ({
      pod,
      // Silence is an answer, too: the plan counts it.
      status: await askStatus(agent, answerMs).catch(() => undefined),
    })),
  );
}

/**
 * Sees to it that the group is whole again: waits while the agents do it by themselves, and gives the orders that
 * take an operator's word, if that is given. Loses nothing that was acknowledged unless `force` is said.
 * @throws DB_NODES_MISSING, DB_DIVERGED (it takes `force`, and the message says what that may lose), DEADLINE
 */
export async function recoverGroup(o: RecoveryOptions): Promise<Recovered> {
  const { clock } = o;
  const begun = clock.monotonic();
  const orders: Orders = { forced: undefined, putAside: new Set(), mayHaveLost: '' };
  let said = '';
  for (;;) {
    o.signal?.throwIfAborted();
    const views = await askNodes(o.nodes);
    const plan = recoveryPlan(views, o.from);
    const words = inWords(views);
    if (words !== said) o.progress(words);
    said = words;
    const waited = clock.monotonic() - begun;
    const done = isDone(views, plan, orders, waited >= silenceOf(o));
    if (done) return done;
    await act(o, plan, orders, waited);
    if (waited >= o.timeoutMs) {
      throw new SallyportError('DEADLINE', {
        message: `the group is not whole after ${Math.round(waited / 1000)} s: ${words}`,
        hint: '`sallyport db status` shows what each node waits for, `sallyport logs db-0` why',
      });
    }
    await clock.sleep(everyMs, o.signal);
  }
}

const silenceOf = ({ silenceMs = 10_000, timeoutMs }: RecoveryOptions): number =>
  Math.min(silenceMs, timeoutMs);

interface Orders {
  forced: string | undefined;
  readonly putAside: Set<string>;
  mayHaveLost: string;
}

/** @param patient silent agents have been waited for */
function isDone(
  views: readonly NodeView[],
  plan: RecoveryPlan,
  orders: Orders,
  patient: boolean,
): Recovered | undefined {
  const missing = views.filter(({ status }) => status === undefined).map(({ pod }) => pod);
  // The group does without those that are silent; they join when they come back.
  const whole = plan.is === 'up' || ((orders.forced !== undefined || patient) && presentAreMembers(views));
  const primary = views.find(({ status }) => status?.role === 'PRIMARY' && status.state === 'ONLINE');
  if (!whole || primary === undefined) return undefined;
  const { forced, putAside, mayHaveLost } = orders;
  return { forced, putAside: [...putAside], primary: primary.pod, missing, mayHaveLost };
}

const presentAreMembers = (views: readonly NodeView[]): boolean =>
  views.every(({ status }) => status === undefined || (status.state === 'ONLINE' && status.majority));

async function act(o: RecoveryOptions, plan: RecoveryPlan, orders: Orders, waited: number): Promise<void> {
  if (plan.is === 'living') {
    for (const pod of plan.strangers) {
      if (orders.putAside.has(pod)) continue;
      if (!o.force) throw diverged([pod]);
      await order(o, pod, '/rebuild');
      orders.putAside.add(pod);
      o.progress(`${pod} puts its data aside and copies the group's`);
    }
    return;
  }
  if (plan.is !== 'stuck' || orders.forced !== undefined) return;
  // Agents that are just starting are not lost.
  if (plan.missing.length > 0 && waited < silenceOf(o)) return;
  if (!o.force) {
    if (plan.missing.length > 0) throw nodesMissing(plan.missing, plan.mayLose);
    throw diverged(plan.leftBehind.map(({ pod }) => pod));
  }
  // Relay logs are being applied; until then nobody knows who has the most.
  if (!plan.comparable) return;
  if (plan.best === undefined) throw noSuchSource(o);
  await order(o, plan.best, '/bootstrap');
  orders.forced = plan.best;
  orders.mayHaveLost = [
    ...(plan.missing.length > 0 ? [plan.mayLose] : []),
    ...plan.leftBehind.map(({ pod, gtids, count }) => `${count} transactions of ${pod} (${gtids})`),
  ].join('; ');
  o.progress(`${plan.best} forms the group on your word; may be lost: ${orders.mayHaveLost || 'nothing'}`);
}

const nodesMissing = (missing: readonly string[], mayLose: string): SallyportError =>
  new SallyportError('DB_NODES_MISSING', {
    message: `the group cannot be formed without ${missing.join(', ')}; without it may be lost: ${mayLose}`,
  });

const diverged = (pods: readonly string[]): SallyportError =>
  new SallyportError('DB_DIVERGED', {
    message: `${pods.join(', ')} has transactions that the others do not have`,
  });

const noSuchSource = ({ from, nodes }: RecoveryOptions): SallyportError =>
  new SallyportError('INVALID_FIELD', {
    message: `--from ${from}: no such node answers`,
    hint: `nodes: ${nodes.map(({ pod }) => pod).join(', ')}`,
  });

function inWords(views: readonly NodeView[]): string {
  return views
    .map(({ pod, status }) => {
      if (status === undefined) return `${pod} does not answer`;
      const { state, role, phase, waitingFor } = status;
      const waits = waitingFor === undefined ? '' : ` (waits for ${waitingFor})`;
      return `${pod} ${state} ${role === '' ? phase : role}${waits}`;
    })
    .join(', ');
}

async function order(o: RecoveryOptions, pod: string, path: Order): Promise<void> {
  const node = o.nodes.find((each) => each.pod === pod);
  if (node === undefined) throw noSuchSource(o);
  await orderNode(node, path);
}

export type Order = '/bootstrap' | '/rebuild' | '/promote';

/** Gives an agent an order. @throws CHANGE_REFUSED with the agent's own words; UNAVAILABLE */
export async function orderNode(
  { pod, agent }: RecoveryOptions['nodes'][number],
  path: Order,
): Promise<void> {
  const { code, text } = await post(agent, path);
  if (code < 300) return;
  if (code === 409) {
    throw new SallyportError('CHANGE_REFUSED', {
      message: `${pod} refuses ${path.slice(1)}: ${refusal.safeParse(parseJson(text)).data?.error ?? 'it does not say why'}`,
      hint: '`sallyport db status` tells what each node is and does',
    });
  }
  throw new SallyportError('UNAVAILABLE', {
    message: `${pod} refuses ${path}: ${code} ${text.slice(0, 300)}`,
  });
}

/** What an agent says when it does not do what it is told. */
const refusal = z.object({ error: z.string().max(300) });

function post(agent: AgentEndpoint, path: string): Promise<{ code: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath: agent.socketPath,
        path,
        method: 'POST',
        headers: { host: agent.host },
        signal: AbortSignal.timeout(answerMs),
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => resolve({ code: response.statusCode ?? 0, text }));
      },
    );
    call.on('error', reject);
    call.end();
  });
}
