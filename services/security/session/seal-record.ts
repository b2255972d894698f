import { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { handleOf, type SessionRecord } from './record.ts';

/** What sealing needs; DataKeys is one. */
export type RecordKeys = Pick<DataKeys, 'seal' | 'open'>;

const base64 = z.base64().transform((text) => new Uint8Array(Buffer.from(text, 'base64')));

const stored = z.object({
  v: z.literal(1),
  id: z.string(),
  routeKey: z.string(),
  opener: z.string(),
  kind: z.enum(['device', 'person']),
  user: z.string(),
  groups: z.array(z.string()),
  deviceId: z.string(),
  app: z
    .object({
      platform: z.string(),
      appId: z.string(),
      version: z.string(),
      certDigest: z.string(),
      osVersion: z.string(),
      posture: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    })
    .nullable(),
  /** Records of older releases have none. */
  amr: z.array(z.string()).default(['pwd']),
  sessionKey: base64,
  openedAtMs: z.number(),
  expiresAtMs: z.number(),
  lastSeenMs: z.number(),
  feedPosition: z.number(),
  era: z.number(),
  version: z.number(),
  openHash: base64.nullable(),
  openReply: base64.nullable(),
});

const rowOf = (handle: string) => ({ table: 'sessions', row: handle, column: 'sealed' });

/** The record as it rests in the database and as it travels between pods: readable with the data keys only. */
export function sealRecord(keys: RecordKeys, record: SessionRecord): Uint8Array {
  const { writtenBehind: _, app, sessionKey, openHash, openReply, ...rest } = record;
  const text = JSON.stringify({
    v: 1,
    ...rest,
    app: app ?? null,
    sessionKey: toBase64(sessionKey),
    openHash: openHash ? toBase64(openHash) : null,
    openReply: openReply ? toBase64(openReply) : null,
  });
  return keys.seal(rowOf(handleOf(record.id)), Buffer.from(text));
}

/**
 * @param writtenBehind whether it came from a place that the database has not confirmed
 * @throws SEALED_ROW_DAMAGED, also when it is another session's
 */
export async function openRecord(
  keys: RecordKeys,
  handle: string,
  sealed: Uint8Array,
  writtenBehind: boolean,
): Promise<SessionRecord> {
  const plaintext = await keys.open(rowOf(handle), sealed);
  const parsed = stored.safeParse(JSON.parse(Buffer.from(plaintext).toString()));
  if (!parsed.success || handleOf(parsed.data.id) !== handle) {
    throw new SallyportError('SEALED_ROW_DAMAGED', {
      message: `the record of session ${handle} is not one that this release can read`,
    });
  }
  const { v: _, app, openHash, openReply, ...rest } = parsed.data;
  return {
    ...rest,
    app: app ?? undefined,
    openHash: openHash ?? undefined,
    openReply: openReply ?? undefined,
    writtenBehind,
  };
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
