import { SallyportError } from '#core/errors/error.ts';
import { PeerService } from '#gen/sallyport/peer/v1/peer_pb.js';
import { createGrpcClient } from '#kernel/rpc/grpc-client.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import { wireEntry } from '../feed/wire-entry.ts';
import type { Peers } from './peers.ts';

/** Sessions in one push: the contract allows 1,000, and a message has 4 MiB. */
const maxSessions = 500;

/** The other pods, through the sidecar's egress. */
export function peerClient(options: {
  /** Name of this pod. */
  readonly self: string;
  readonly outSocket: string;
  readonly observer?: RpcObserver;
}): Peers & { close(): void } {
  const client = createGrpcClient(PeerService, {
    address: `unix:${options.outSocket}`,
    defaultDeadlineMs: 2000,
    ...(options.observer && { observer: options.observer }),
  });
  return {
    handOver: async (pod, sessionId, timeoutMs, notAt = '') => {
      const { result } = await client.handOver(
        { sessionId, to: options.self, notAt },
        { timeoutMs, headers: { [podHeader]: pod } },
      );
      switch (result.case) {
        case 'session': {
          const { record, version, gateways } = result.value;
          return { is: 'session', session: { sessionId, record, version: Number(version), gateways } };
        }
        case 'forwardedTo':
          return { is: 'forwarded', to: result.value };
        case 'unknown':
          return { is: 'unknown' };
        default:
          throw new SallyportError('MALFORMED', { message: `${pod} gave an empty answer` });
      }
    },
    pushRevocation: async (pod, entries, waitForLeases, timeoutMs) => {
      const request = { entries: entries.map(wireEntry), waitForLeases };
      const { position } = await client.pushRevocation(request, { timeoutMs, headers: { [podHeader]: pod } });
      return Number(position);
    },
    pushSessions: async (pod, sessions, timeoutMs) => {
      let accepted = 0;
      for (let from = 0; from < sessions.length; from += maxSessions) {
        const some = sessions
          .slice(from, from + maxSessions)
          .map((each) => ({ ...each, version: BigInt(each.version) }));
        const answer = await client.pushSessions(
          { sessions: some },
          { timeoutMs, headers: { [podHeader]: pod } },
        );
        accepted += answer.accepted;
      }
      return accepted;
    },
    close: () => client.close(),
  };
}
