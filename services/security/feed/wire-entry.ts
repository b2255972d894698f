import { create } from '@bufbuild/protobuf';
import {
  type RevocationEntry,
  RevocationEntrySchema,
  RevocationKind as WireKind,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import type { Revocation, RevocationKind } from './feed.ts';

const toWire: Readonly<Record<RevocationKind, WireKind>> = {
  session: WireKind.SESSION,
  device: WireKind.DEVICE,
  user: WireKind.USER,
  'shared-key': WireKind.SHARED_KEY,
  groups: WireKind.GROUPS,
  everybody: WireKind.EVERYBODY,
};

const fromWire = new Map<WireKind, RevocationKind>(
  Object.entries(toWire).map(([kind, wire]) => [wire, kind as RevocationKind]),
);

export function wireEntry(entry: Revocation): RevocationEntry {
  return create(RevocationEntrySchema, {
    position: BigInt(entry.position),
    kind: toWire[entry.kind],
    subject: entry.subject,
    committedAtMs: BigInt(entry.committedAtMs),
    reason: entry.reason,
  });
}

/** Undefined for a kind of a newer release: whoever gets it reads the feed instead. */
export function entryOfWire(entry: RevocationEntry): Revocation | undefined {
  const kind = fromWire.get(entry.kind);
  if (kind === undefined) return undefined;
  const { subject, reason } = entry;
  return {
    position: Number(entry.position),
    kind,
    subject,
    reason,
    committedAtMs: Number(entry.committedAtMs),
  };
}
