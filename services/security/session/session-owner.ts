import { SallyportError } from '#core/errors/error.ts';
import { mintSessionId, parseSessionId } from '#core/ids/session-id.ts';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { CallOptions } from '#kernel/db/db.ts';
import { heldMs } from '#kernel/rpc/hold.ts';
import { withDeadline } from '#kernel/time/deadline.ts';
import type { RevokeWait } from '../feed/feed.ts';
import { counts } from '../metrics.ts';
import type { TravellingSession } from '../peer/peers.ts';
import { type Found, findElsewhere } from './find-elsewhere.ts';
import type { Held } from './held-sessions.ts';
import { type Asked, located } from './located.ts';
import { OpenedMessages, repeatMs } from './opened-messages.ts';
import type { Persister } from './persister.ts';
import { handleOf, newestOf, type SessionRecord } from './record.ts';
import { openRecord, sealRecord } from './seal-record.ts';
import { secondCopy } from './second-copy.ts';
import { checkLive, checkMac } from './session-checks.ts';
import type { SessionOwnerDeps } from './session-owner-deps.ts';
import type { GetOptions, NewSession, Sessions } from './sessions.ts';

/**
 * Milliseconds for looking a session up: many times what it takes, since on a machine that is too busy it costs its
 * caller time and no error.
 */
const loadMs = 8000;
/** Milliseconds without use after which a session is packed. */
const idleMs = 60_000;
/** The same for the answer to a message that was sent before: a login is not to wait for long. */
const findOpenedMs = 150;
/** Milliseconds on top, in which a look-up says itself what it has not found out. */
const graceMs = 100;
/**
 * Callers that wait for look-ups at once: half of the calls that a pod takes on (kernel/rpc/admission.ts), so that
 * however slow look-ups are, there is room for those whose sessions are held.
 */
const maxWaiting = 512;
/** Milliseconds to within which the time of the last use is known. */
const seenMs = 1000;

/** The sessions of one pod: mints, holds, finds, gives away. */
export class SessionOwner implements Sessions {
  readonly #deps: SessionOwnerDeps;
  readonly #loads = new Map<string, Promise<Found>>();
  readonly #opened: OpenedMessages;
  #waiting = 0;

  constructor(deps: SessionOwnerDeps) {
    this.#deps = deps;
    this.#opened = new OpenedMessages(deps.clock);
  }

  open(session: NewSession): Promise<SessionRecord> {
    const { openHash } = session;
    if (openHash === undefined) return this.#open(session);
    const known = this.#opened.find(openHash);
    if (known !== undefined) return known;
    const opening = this.#open(session);
    this.#opened.remember(openHash, opening);
    return opening;
  }

  async findOpened(openHash: Uint8Array): Promise<SessionRecord | undefined> {
    const { store, now, log } = this.#deps;
    const known = this.#opened.find(openHash);
    if (known !== undefined) return known;
    try {
      const record = await store?.findOpened(openHash, findOpenedMs);
      if (record === undefined || now() - record.openedAtMs > repeatMs) return undefined;
      return this.#welcome(record);
    } catch (error) {
      if (SallyportError.from(error).status !== 'UNAVAILABLE') throw error;
      // Then it opens a second session with the same message; both are the device's.
      log.warn({ err: error }, 'whether this message was answered before cannot be looked up');
      return undefined;
    }
  }

  known(id: string, asked: Asked, nowMs = this.#deps.now()): SessionRecord | undefined {
    const held = this.#present(id, nowMs);
    if (held === undefined) return undefined;
    this.#used(held, nowMs);
    located.add(`${asked} held`);
    return held.record;
  }

  /** What this pod holds and may answer for. */
  #present(id: string, nowMs: number): Held | undefined {
    const held = this.#deps.held.get(id);
    if (held === undefined || held.record.expiresAtMs <= nowMs) return undefined;
    this.#deps.feed.assertFresh();
    this.#admit(held, nowMs);
    return held;
  }

  /**
   * What this pod has just given away, to decide by: another that serves it too is no harm, as each judges it by its
   * feed. Never to change it, which is for whoever has it now (docs/adr/0007-a-move-is-no-toll.md).
   */
  #givenLately(id: string): SessionRecord | undefined {
    const record = this.#deps.forwarding.lately(id);
    if (record === undefined || record.expiresAtMs <= this.#deps.now()) return undefined;
    this.#deps.feed.assertFresh();
    checkLive(record, this.#deps);
    return record;
  }

  async get(id: string, options: GetOptions = {}): Promise<SessionRecord> {
    const { feed, clock } = this.#deps;
    const here = this.#present(id, this.#deps.now())?.record ?? (options.asked && this.#givenLately(id));
    if (here) {
      if (options.asked) located.add(`${options.asked} held`);
      return here;
    }
    checkMac(id, this.#deps.macKeys());
    feed.assertFresh();
    if (this.#waiting >= maxWaiting) {
      throw new SallyportError('OVERLOADED', {
        message: 'too many callers wait for sessions that are being looked up',
        retryAfterMs: 250,
      });
    }
    this.#waiting++;
    try {
      const ms = Math.min(heldMs(options.deadlineMs), loadMs + graceMs);
      const { record, at } = await withDeadline(this.#load(id), ms, { what: 'looking a session up', clock });
      // Time has passed; whoever was stopped meanwhile finds out here.
      feed.assertFresh();
      if (options.asked) located.add(`${options.asked} ${at === 'database' ? 'loaded' : 'moved'}`);
      return record;
    } catch (error) {
      if (SallyportError.from(error).reason !== 'DEADLINE') throw error;
      // Not the caller's time has run out but this pod's patience.
      throw new SallyportError('UNAVAILABLE', { cause: error, retryAfterMs: 300 });
    } finally {
      this.#waiting--;
    }
  }

  held(id: string, nowMs = this.#deps.now()): SessionRecord {
    const held = this.#present(id, nowMs);
    if (held !== undefined) this.#used(held, nowMs);
    const record = held?.record ?? this.#givenLately(id);
    if (record === undefined) {
      located.add('streamed not_held');
      throw new SallyportError('NOT_HELD');
    }
    located.add('streamed held');
    return record;
  }

  /** The session of a handle that the tier itself has vouched for (in an assertion): from memory or the database. */
  async byHandle(handle: string): Promise<SessionRecord> {
    const held = this.#deps.held.byHandle(handle);
    const record = held?.record ?? (await this.#deps.store?.load(handle, loadMs));
    if (record === undefined) throw new SallyportError('SESSION_UNKNOWN');
    this.#deps.feed.assertFresh();
    checkLive(record, this.#deps);
    return record;
  }

  async renew(record: SessionRecord, expiresAtMs: number): Promise<SessionRecord> {
    const { held, maxLifeMs } = this.#deps;
    const current = held.get(record.id)?.record ?? record;
    const end = Math.min(expiresAtMs, current.openedAtMs + maxLifeMs);
    if (end <= current.expiresAtMs) return current;
    return this.#change({ ...current, expiresAtMs: end });
  }

  async stepUp(record: SessionRecord, amr: readonly string[]): Promise<SessionRecord> {
    const current = this.#deps.held.get(record.id)?.record ?? record;
    const all = [...new Set([...current.amr, ...amr])];
    return all.length === current.amr.length ? current : this.#change({ ...current, amr: all });
  }

  async #change(record: SessionRecord): Promise<SessionRecord> {
    const { held, persister } = this.#deps;
    const changed = { ...record, version: record.version + 1 };
    held.put(changed, -1);
    await persister?.update(changed);
    return held.get(record.id)?.record ?? changed;
  }

  async end(record: SessionRecord, reason: string, wait: RevokeWait, held?: CallOptions): Promise<number> {
    const entry = { kind: 'session', subject: handleOf(record.id), reason } as const;
    const { position } = await this.#deps.feed.revokeAndPush(entry, wait, held);
    return position;
  }

  touch(record: SessionRecord): void {
    const held = this.#deps.held.get(record.id);
    if (held !== undefined) this.#used(held, this.#deps.now());
  }

  /** Once a second is enough: what becomes of it is told in half minutes. */
  #used(held: Held, nowMs: number): void {
    if (Math.abs(nowMs - held.seenMs) < seenMs) return;
    held.seenMs = nowMs;
    this.#deps.onSeen?.(handleOf(held.record.id), nowMs);
  }

  /**
   * Gives a session to `to`, which owns it now; or says to whom it went. If that one is `notAt`, where it is not,
   * it is given again: two pods may then have it, of which Envoy asks one.
   */
  give(
    id: string,
    to: string,
    notAt?: string,
  ): { record: SessionRecord } | { forwardedTo: string } | undefined {
    const { held, forwarding, log } = this.#deps;
    checkMac(id, this.#deps.macKeys());
    const handle = handleOf(id);
    const mine = held.get(id);
    const pointer = forwarding.find(handle);
    if (mine !== undefined) {
      held.delete(handle);
      // What it gave away before, with an answer that was lost, may be newer than what another has pushed since.
      const record = newestOf([mine.record, pointer?.record]) ?? mine.record;
      forwarding.gave(handle, to, record);
      log.info({ session: id, to, version: record.version }, 'a session is handed over');
      return { record };
    }
    if (pointer === undefined || pointer.record.id !== id) return undefined;
    // It asks again: the answer that carried the record was lost.
    if (pointer.to === to) return { record: pointer.record };
    if (pointer.to !== notAt) return { forwardedTo: pointer.to };
    forwarding.gave(handle, to, pointer.record);
    return { record: pointer.record };
  }

  /** Takes a session that another pod pushes; false when what is held is as new, or it is over. */
  async accept(session: TravellingSession): Promise<boolean> {
    checkMac(session.sessionId, this.#deps.macKeys());
    const handle = handleOf(session.sessionId);
    const known = this.#deps.held.byHandle(handle)?.record;
    if (known !== undefined && known.version >= session.version) return false;
    const record = await openRecord(this.#deps.keys, handle, session.record, true);
    if (record.id !== session.sessionId) return false;
    this.#deps.elsewhere.gateways?.adopt(handle, session.gateways ?? {});
    try {
      this.#welcome(record);
    } catch (error) {
      if (SallyportError.from(error).status !== 'UNAUTHENTICATED') throw error;
      return false;
    }
    return true;
  }

  travelling(record: SessionRecord): TravellingSession {
    const { keys, elsewhere } = this.#deps;
    const gateways = elsewhere.gateways?.of(handleOf(record.id));
    const { id: sessionId, version } = record;
    return { sessionId, record: sealRecord(keys, record), version, ...(gateways && { gateways }) };
  }

  /** The database has confirmed this version. */
  stored(record: SessionRecord): void {
    const held = this.#deps.held.get(record.id);
    if (held?.record.version === record.version) held.record = { ...held.record, writtenBehind: false };
  }

  /** Drops what is over, and packs what is idle. Returns how many went. */
  sweep(): number {
    const { held, feed, now } = this.#deps;
    const nowMs = now();
    this.#opened.forget();
    return held.sweep((session) => session.expiresAtMs <= nowMs || feed.isRevoked(session), {
      idleSinceMs: nowMs - idleMs,
      openedBeforeMs: nowMs - repeatMs,
    });
  }

  async #open(session: NewSession): Promise<SessionRecord> {
    const { pod, feed, macKeys, persister, now, maxLifeMs, era, log } = this.#deps;
    feed.assertFresh();
    const [macKey] = macKeys();
    if (macKey === undefined)
      throw new SallyportError('UNAVAILABLE', { message: 'there is no key for session ids' });
    const { routeKey, kind, user, deviceId, app, amr, feedPosition, openHash } = session;
    const id = mintSessionId(channelCrypto, { routeKey, opener: pod, macKey });
    const openedAtMs = now();
    const expiresAtMs = openedAtMs + Math.min(session.lifetimeMs, maxLifeMs);
    const { sessionKey, openReply } = session.build(id, expiresAtMs);
    const record: SessionRecord = {
      id,
      routeKey,
      opener: pod,
      kind,
      user,
      groups: [...session.groups],
      deviceId,
      app,
      amr,
      sessionKey,
      openedAtMs,
      expiresAtMs,
      lastSeenMs: openedAtMs,
      feedPosition,
      era,
      version: 1,
      openHash,
      openReply,
      writtenBehind: true,
    };
    // Held first, so that what confirms it finds it.
    this.#hold(record);
    const persisted = await this.#persist(record, persister);
    if (persisted === 'opened-twice') {
      this.#deps.held.delete(handleOf(id));
      const other = openHash && (await this.#deps.store?.findOpened(openHash, findOpenedMs));
      if (other === undefined) throw new SallyportError('REPLAYED');
      return this.#welcome(other);
    }
    if (persisted === 'behind') await this.#copy(record);
    feed.assertFresh();
    const opened = this.#deps.held.get(id);
    // Its user may have been revoked since the credentials were read.
    if (opened === undefined) throw new SallyportError('UNAVAILABLE', { retryAfterMs: 100 });
    this.#admit(opened);
    const { writtenBehind } = opened.record;
    counts.opened.add(1, { kind, written_behind: writtenBehind });
    log.info({ session: id, kind, writtenBehind }, 'a session was opened');
    return opened.record;
  }

  async #persist(record: SessionRecord, persister: Persister | undefined) {
    try {
      return await persister?.insert(record);
    } catch (error) {
      this.#deps.held.delete(handleOf(record.id));
      throw error;
    }
  }

  /** @throws UNAVAILABLE when nobody but this pod would know the session; then it is opened nowhere */
  async #copy(record: SessionRecord): Promise<void> {
    const { held, persister, elsewhere, pod, log } = this.#deps;
    if ((await secondCopy({ pod, log, ...elsewhere }, this.travelling(record))) !== 'nobody') return;
    // The database may have confirmed it meanwhile.
    if (held.get(record.id)?.record.writtenBehind === false) return;
    held.delete(handleOf(record.id));
    persister?.forget(record);
    throw new SallyportError('UNAVAILABLE', {
      message: 'neither the database nor another pod could take this session',
      retryAfterMs: 200,
    });
  }

  #load(id: string): Promise<Found> {
    const known = this.#loads.get(id);
    if (known !== undefined) return known;
    const load = this.#find(id).finally(() => this.#loads.delete(id));
    this.#loads.set(id, load);
    return load;
  }

  async #find(id: string): Promise<Found> {
    const { held, pod, store, keys, now, clock, log, elsewhere, forwarding } = this.#deps;
    const handle = handleOf(id);
    const given = forwarding.find(handle);
    const { opener } = parseSessionId(id);
    const onLate = (late: SessionRecord): void => this.#takeLate(late);
    const deps = { pod, store, keys, now, clock, log, onLate, ...elsewhere };
    const found = await findElsewhere(deps, { id, opener, givenTo: given?.to }, loadMs);
    // Another pod may have pushed it meanwhile, and what this pod gave away may be newer than what it gets.
    const candidates = [found?.record, held.get(id)?.record, given?.record];
    const record = newestOf(candidates.filter((each) => each?.id === id));
    forwarding.forget(handle);
    if (record === undefined) throw new SallyportError('SESSION_UNKNOWN');
    return { record: this.#welcome(record), at: found?.at ?? 'peer' };
  }

  /** Its giver keeps no copy: if it is newer than what the database gave, or not stored yet, it must not be lost. */
  #takeLate(record: SessionRecord): void {
    try {
      this.#welcome(record);
    } catch (error) {
      this.#deps.log.info(
        { err: error, session: record.id },
        'a session that was handed over late is not taken',
      );
    }
  }

  /** Holds a record that came from elsewhere, if it is still good. */
  #welcome(record: SessionRecord): SessionRecord {
    checkLive(record, this.#deps);
    const held = this.#hold(record);
    if (held.record.writtenBehind) this.#deps.persister?.writeBehind(held.record);
    return this.#admit(held);
  }

  #hold(record: SessionRecord): Held {
    const held = this.#deps.held.put(record, -1);
    if (held === undefined) {
      throw new SallyportError('OVERLOADED', {
        message: 'this pod holds as many sessions as it may',
        retryAfterMs: 1000,
      });
    }
    return held;
  }

  /** Once per entry of the feed, not once per request. */
  #admit(held: Held, nowMs = this.#deps.now()): SessionRecord {
    const { position } = this.#deps.feed;
    if (held.checkedAt !== position || held.record.expiresAtMs <= nowMs) {
      try {
        checkLive(held.record, this.#deps);
      } catch (error) {
        this.#deps.held.delete(handleOf(held.record.id));
        throw error;
      }
      held.checkedAt = position;
    }
    return held.record;
  }
}
