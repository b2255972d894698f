import { type OpenMessage, type OpenReceived, openOpenSession } from '#core/channel/open-session.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { Bound } from '#kernel/crypto/bound.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import { nextTurn } from '#kernel/time/next-turn.ts';
import { type AsOf, type CredentialReads, readAsOf } from '../feed/as-of.ts';
import type { DataKeys } from '../keystore/data-keys.ts';
import { type Enrolment, findEnrolment } from '../keystore/enrolments.ts';
import type { Keyring } from '../keystore/keyring.ts';
import type { Limits } from '../throttle/limits.ts';

export interface UnsealDeps {
  /** Reads that a secondary serves while there is no primary. */
  readonly replica: CredentialReads;
  readonly dataKeys: DataKeys;
  readonly keyring: Pick<Keyring, 'recipient'>;
  readonly limits: Pick<Limits, 'unsealable' | 'unsealableHere'>;
  /** Where handshakes are worked on. */
  readonly handshakes: Pick<Bound, 'run'>;
}

export interface UnsealContext {
  /** Where the message came from. */
  readonly address: string;
  readonly signal: AbortSignal;
  /** Milliseconds for which the database may be waited for. */
  readonly deadlineMs: number;
  /** Learns how far the database was where the enrolment was read. */
  readonly asOf: AsOf;
}

/** An enrolment whose key has opened the message. Secret. */
export interface Opened {
  readonly enrolment: Enrolment;
  readonly received: OpenReceived;
  /** Set when the device has used this key of a rotation, not the one before. */
  readonly byNextKey: Uint8Array | undefined;
}

/**
 * Opens an OpenSession message under the key of the enrolment that it names. An unknown enrolment and a
 * wrong key look the same.
 * @throws THROTTLED, UNKNOWN_SUITE, UNKNOWN_SERVER_KEY, UNSEALABLE, OVERLOADED
 */
export async function unsealOpening(
  deps: UnsealDeps,
  message: OpenMessage,
  { address, signal, deadlineMs, asOf }: UnsealContext,
): Promise<Opened> {
  const { unsealable, unsealableHere } = deps.limits;
  const here = `${message.routeKey} ${address}`;
  unsealable.check(address);
  unsealableHere.check(here);
  const recipient = await deps.keyring.recipient(message.suite, message.keyId);
  const enrolment = await readAsOf(
    deps.replica,
    asOf,
    (db) => findEnrolment(db, deps.dataKeys, message.routeKey),
    { signal, deadlineMs },
  );
  // For an unknown route key some key has to be tried, too: the answer takes as long.
  const keys = enrolment ? [...enrolment.nextKeys, enrolment.sharedKey] : [channelCrypto.randomBytes(32)];
  for (const key of keys) {
    const received = await deps.handshakes.run(() => tryOpen(key, message, recipient), signal);
    if (received === undefined || enrolment === undefined) continue;
    return { enrolment, received, byNextKey: key === enrolment.sharedKey ? undefined : key };
  }
  unsealable.count(address);
  unsealableHere.count(here);
  throw new SallyportError('UNSEALABLE');
}

type Recipient = Awaited<ReturnType<Keyring['recipient']>>;

async function tryOpen(
  key: Uint8Array,
  message: OpenMessage,
  recipient: Recipient,
): Promise<OpenReceived | undefined> {
  // It keeps the event loop, on which others are decided about, so each has a turn of its own.
  await nextTurn();
  try {
    return await openOpenSession(recipient, key, message);
  } catch (error) {
    if (SallyportError.from(error).reason !== 'UNSEALABLE') throw error;
    return undefined;
  }
}
