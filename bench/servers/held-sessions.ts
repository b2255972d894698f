/**
 * A pod's sessions, and nothing else of it: SessionOwner opens them as it does for a handshake, with a
 * database that takes everything and a feed that says nothing.
 */
import { randomBytes } from 'node:crypto';
import { newRouteKey } from '#core/ids/ids.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Forwarding } from '#services/security/session/forwarding.ts';
import { HeldSessions } from '#services/security/session/held-sessions.ts';
import { Persister } from '#services/security/session/persister.ts';
import { SessionOwner } from '#services/security/session/session-owner.ts';
import type { SessionStore } from '#services/security/session/session-store.ts';
import { serveBench } from '../harness/child.ts';
import { residentBytesOf } from '../harness/cpu.ts';

export interface Memory {
  readonly sessions: number;
  /** Bytes after a full collection: V8's heap with what buffers hold outside of it, and the whole process. */
  readonly heap: number;
  readonly resident: number;
}

const hour = 3_600_000;
/** As in services/security/start-core.ts. */
const sweepMs = 30_000;
/** A core hashes some forty passwords a second: as many sessions are opened from one sweep to the next. */
const openedInASweep = 1200;

serveBench(async ({ pod }: { pod: string }) => {
  const clock = new ManualClock();
  const held = new HeldSessions(1_000_000);
  const macKey = randomBytes(32);
  const store: SessionStore = {
    insert: async (records) => records.map(() => 'stored'),
    update: async () => undefined,
    load: async () => undefined,
    findOpened: async () => undefined,
    list: async () => [],
    info: async () => undefined,
    saveLastSeen: async () => undefined,
  };
  const persister = new Persister({
    ...{ store, clock, random: Math.random, log: silentLogger },
    onStored: (record) => owner.stored(record),
  });
  const owner = new SessionOwner({
    ...{ pod, era: 1, held, store, persister, clock, log: silentLogger, maxLifeMs: 168 * hour },
    feed: {
      position: 1,
      assertFresh: () => undefined,
      isRevoked: () => false,
      revokeAndPush: async () => ({ position: 1, everywhere: true }),
    },
    macKeys: () => [macKey],
    keys: { seal: (_, bytes) => bytes, open: async (_, bytes) => bytes },
    forwarding: new Forwarding(clock),
    elsewhere: {
      peers: {
        handOver: async () => ({ is: 'unknown' }),
        pushRevocation: async () => 0,
        pushSessions: async () => 0,
      },
      members: () => [],
      refreshMembers: async () => {},
    },
    now: () => clock.now(),
  });
  const sweep = async (): Promise<void> => {
    await clock.advance(sweepMs);
    owner.sweep();
  };
  return async ({ sessions }: { sessions: number }): Promise<Memory> => {
    for (let n = 0; n < sessions; n++) {
      await owner.open(session(n));
      if (n % openedInASweep === 0) await sweep();
    }
    // Idle, all of them: the message of the last one cannot come again.
    for (let swept = 0; swept < 600_000; swept += sweepMs) await sweep();
    return measured(held.size);
  };
});

/** As OpenSession makes it: every string and array of its own, as they come out of a message. */
function session(n: number) {
  const groups = ['staff', 'all', `department-${n % 50}`];
  return {
    routeKey: newRouteKey(channelCrypto),
    kind: 'device' as const,
    user: copy(`user-${n}@example.com`),
    groups: groups.map(copy),
    deviceId: copy(`device-${n}-0123456789ab`),
    app: {
      platform: copy('android'),
      appId: copy('com.example.field'),
      version: copy('1.3.0'),
      certDigest: randomBytes(32).toString('hex'),
      osVersion: copy('15'),
      posture: { rooted: 'false', lock: 'true' },
    },
    amr: ['pwd'],
    feedPosition: 1,
    openHash: new Uint8Array(randomBytes(32)),
    lifetimeMs: 12 * hour,
    build: () => ({
      sessionKey: new Uint8Array(randomBytes(32)),
      openReply: new Uint8Array(randomBytes(280)),
    }),
  };
}

/** Not a constant of this file, which all sessions would share. */
const copy = (text: string): string => Buffer.from(text).toString();

function measured(sessions: number): Memory {
  const { gc } = globalThis;
  if (gc === undefined) throw new Error('node --expose-gc');
  // Twice: what a finaliser lets go is collected by the second one. The last resort gives pages back, too.
  for (let n = 0; n < 2; n++) gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  const { heapUsed, external } = process.memoryUsage();
  return { sessions, heap: heapUsed + external, resident: residentBytesOf(process.pid) };
}
