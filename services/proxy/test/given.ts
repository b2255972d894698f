/** What specs of a proxy's parts begin with. */
import { create } from '@bufbuild/protobuf';
import {
  LeaseSchema,
  RevocationEntrySchema,
  type RevocationKind,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { type Clock, instant } from '#kernel/time/clock.ts';
import { Attachment } from '../attachment.ts';
import { Lease } from '../lease.ts';

export interface LeaseParts {
  readonly user?: string;
  readonly deviceId?: string;
  readonly groups?: string[];
  readonly durationMs?: number;
  readonly policyVersion?: number;
  readonly feedPosition?: number;
  readonly pod?: string;
  readonly authLevel?: number;
  /** Version of the app that the session is of. */
  readonly app?: string;
}

export function givenLease(clock: Clock, parts: LeaseParts = {}): Lease {
  const { user = 'ada', deviceId = 'device', groups = ['staff'], durationMs = 10_000, pod = 'sec-0' } = parts;
  const wire = create(LeaseSchema, {
    durationMs,
    facts: {
      ...{ user, deviceId, groups, expiresAtMs: 1n, authLevel: parts.authLevel ?? 0 },
      ...(parts.app && { app: { platform: 'ios', appId: 'com.example.field', version: parts.app } }),
    },
    policyVersion: BigInt(parts.policyVersion ?? 1),
    feedPosition: BigInt(parts.feedPosition ?? 10),
    pod,
  });
  return new Lease(wire, instant(clock), clock);
}

let epochs = 0;

export function givenAttachment(
  clock: Clock,
  parts: LeaseParts & { session?: string; routeKey?: string; epoch?: number } = {},
): Attachment {
  const { session = 'session', routeKey = 'route', epoch = ++epochs } = parts;
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, epoch);
  const key = new Uint8Array(32);
  return new Attachment(
    {
      sessionId: `${session}.mac`,
      routeKey,
      handle: session,
      epoch: bytes,
      keys: { deviceToProxy: key, proxyToDevice: key },
      lease: givenLease(clock, parts),
    },
    clock,
  );
}

export const givenEntry = (position: number, kind: RevocationKind, subject = '') =>
  create(RevocationEntrySchema, { position: BigInt(position), kind, subject });

/** The epoch of an attachment as bytes. */
export const epochOf = (attachment: Attachment): Uint8Array => Buffer.from(attachment.epoch, 'hex');

export async function listOf<T>(all: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const each of all) list.push(each);
  return list;
}
