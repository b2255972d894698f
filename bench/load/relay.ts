/** Devices made of core/channel: each attaches at the proxy and exchanges sealed requests with it. */
import { collectBody } from '#core/channel/multiplex/incoming-body.ts';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { attach, type DeviceAttachment, type DeviceStream, headOf } from '#services/proxy/test/raw-device.ts';
import { serveBench } from '../harness/child.ts';
import type { SliceAnswer } from '../harness/interleave.ts';
import type { GivenSession } from '../servers/security-tier.ts';
import { closedLoop } from './closed-loop.ts';

export interface RelayLoad {
  readonly socket: string;
  readonly kind: 'stream' | 'exchange';
  /** One device each. */
  readonly sessions: readonly GivenSession[];
  readonly inFlight: number;
  /** Of the request's body; 0 is a GET. */
  readonly sendBytes: number;
  /** Of the answer's. */
  readonly answerBytes: number;
}

serveBench(async (load: RelayLoad) => {
  const { sendBytes, answerBytes, kind } = load;
  const relay = createGrpcClient(Relay, {
    address: `unix:${load.socket}`,
    defaultDeadlineMs: 30_000,
    metadata: {
      'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/edge/edge-0',
      'x-sallyport-client-address': '203.0.113.7',
    },
  });
  const devices: DeviceAttachment[] = [];
  for (const { id, routeKey, key } of load.sessions) {
    const session = { id, routeKey, key: new Uint8Array(Buffer.from(key, 'base64')), handle: '', user: '' };
    devices.push(await attach(relay, session));
  }
  const streams = kind === 'stream' ? devices.map((device) => device.stream()) : [];
  const body = new Uint8Array(sendBytes).fill(120);
  const head = headOf({
    method: sendBytes > 0 ? 'POST' : 'GET',
    path: `/echo?bytes=${answerBytes}`,
    headers: [
      { name: 'accept', value: 'application/json' },
      { name: 'user-agent', value: 'field/1.3.0 (android 15)' },
      ...(sendBytes > 0 ? [{ name: 'content-length', value: String(sendBytes) }] : []),
    ],
  });
  const byStream = async (n: number): Promise<boolean> => {
    const { multiplexer } = of<DeviceStream>(streams, n);
    const request = multiplexer.request(head);
    if (sendBytes > 0) await request.body.write(body);
    await request.body.end();
    const answer = await request.response();
    const received = await collectBody(answer.body, 2 ** 22);
    return answer.head.status === 200 && received.length === answerBytes;
  };
  const byExchange = async (n: number): Promise<boolean> => {
    const answer = await of(devices, n).exchange(head, body);
    return answer.head?.status === 200 && answer.body.length === answerBytes;
  };
  const work = kind === 'stream' ? byStream : byExchange;
  const told = (n: number): Promise<boolean> =>
    work(n).catch((error: unknown) => {
      process.stderr.write(`${kind}: ${String(error)}\n`);
      return false;
    });
  // Between two slices the others are loaded, and leases run out: a tier that is starved meanwhile may not answer the
  // first questions in time. What is measured is the proxy, once it has its leases.
  const renewed = (n: number): Promise<boolean> =>
    waitFor(() => work(n), { timeoutMs: 60_000, everyMs: 100, what: 'a lease' });
  return async ({ run }: { run: number }): Promise<SliceAnswer> => {
    await Promise.all(devices.map((_, n) => renewed(n)));
    return closedLoop(run, load.inFlight, told);
  };
});

function of<T>(list: readonly T[], n: number): T {
  const found = list[n % list.length];
  if (found === undefined) throw new Error('there are no devices');
  return found;
}
