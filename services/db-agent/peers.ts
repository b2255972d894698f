import { Agent, request } from 'node:http';
import type { Clock } from '#kernel/time/clock.ts';
import type { AgentEndpoint } from './config.ts';
import type { PeerView } from './decide.ts';
import { loop } from './loop.ts';
import { type AgentStatus, agentStatus } from './status.ts';

/** An answer is a few hundred bytes; GTID sets may add some. */
const maxAnswerBytes = 262_144;

export interface PeersOptions {
  readonly peers: readonly { readonly pod: string; readonly agent: AgentEndpoint }[];
  readonly clock: Clock;
  /** Milliseconds between two questions to one peer; default 200. */
  readonly everyMs?: number;
  /** Milliseconds for an answer; default 1000. */
  readonly timeoutMs?: number;
  /** Milliseconds after which an answer no longer counts; default 1500. */
  readonly maxAgeMs?: number;
}

/** Keeps asking the agents of the other pods how they are. */
export class Peers {
  readonly #o: PeersOptions;
  readonly #maxAgeMs: number;
  readonly #stop = new AbortController();
  readonly #latest = new Map<string, { readonly status: AgentStatus; readonly asked: number }>();

  constructor(options: PeersOptions) {
    this.#o = options;
    this.#maxAgeMs = options.maxAgeMs ?? 1500;
  }

  /** All peers; without a status those that have not answered lately. */
  get view(): PeerView[] {
    const now = this.#o.clock.monotonic();
    return this.#o.peers.map(({ pod }) => {
      const latest = this.#latest.get(pod);
      return latest && now - latest.asked <= this.#maxAgeMs ? { pod, ...latest } : { pod, status: undefined };
    });
  }

  async run(): Promise<void> {
    await Promise.all(this.#o.peers.map((peer) => this.#watch(peer.pod, peer.agent)));
  }

  stop(): void {
    this.#stop.abort();
  }

  async #watch(pod: string, endpoint: AgentEndpoint): Promise<void> {
    const { clock, everyMs = 200, timeoutMs = 1000 } = this.#o;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    await loop(clock, everyMs, this.#stop.signal, async () => {
      const asked = clock.monotonic();
      try {
        const status = await askStatus(endpoint, timeoutMs, agent);
        if (status.pod === pod) this.#latest.set(pod, { status, asked });
      } catch {
        // Silence is an answer too: `view` leaves out what is older than maxAgeMs, and says so in /status.
      }
    });
    agent.destroy();
  }
}

/** GET /status. @throws whatever goes wrong on the way, or with the answer. */
export async function askStatus(
  endpoint: AgentEndpoint,
  timeoutMs: number,
  agent?: Agent,
): Promise<AgentStatus> {
  const text = await new Promise<string>((resolve, reject) => {
    const call = request({
      socketPath: endpoint.socketPath,
      path: '/status',
      headers: { host: endpoint.host },
      signal: AbortSignal.timeout(timeoutMs),
      ...(agent ? { agent } : {}),
    });
    call.on('error', reject);
    call.on('response', (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > maxAnswerBytes) call.destroy(new Error('the answer is too long'));
      });
      response.on('error', reject);
      response.on('end', () =>
        response.statusCode === 200 ? resolve(body) : reject(new Error(`status ${response.statusCode}`)),
      );
    });
    call.end();
  });
  return agentStatus.parse(JSON.parse(text));
}
