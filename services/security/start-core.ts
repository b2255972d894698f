import { hostname } from 'node:os';
import type { Lifecycle } from '#kernel/lifecycle/lifecycle.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { gauge } from '#kernel/telemetry/metrics.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { GatewayAssignments } from './authorize/gateway-assignments.ts';
import { LeaseBook } from './authorize/lease-book.ts';
import { type LeaseLengths, leaseLengths } from './authorize/lease-lengths.ts';
import { mysqlPolicies, PolicyStore } from './authorize/policy-store.ts';
import { AppVersions } from './catalog/app-versions.ts';
import { tidyCatalogue } from './catalog/tidy.ts';
import type { SecurityConfig } from './config.ts';
import { Sightings, saveDevicesSeen } from './devices/sightings.ts';
import { fleet } from './feed/fleet.ts';
import { Freshness } from './feed/freshness.ts';
import { mysqlFeedSource } from './feed/mysql-feed-source.ts';
import { RevocationFeed } from './feed/revocation-feed.ts';
import { Membership } from './members/membership.ts';
import { type Joined, mysqlMembershipStore } from './members/membership-store.ts';
import { peerClient } from './peer/peer-client.ts';
import type { Peers } from './peer/peers.ts';
import { DecisionSample } from './policy/decision-sample.ts';
import { writeCases } from './policy/recorded-cases.ts';
import { Forwarding } from './session/forwarding.ts';
import { giveAway } from './session/give-away.ts';
import { HeldSessions } from './session/held-sessions.ts';
import { LastSeen } from './session/last-seen.ts';
import { memoryList } from './session/memory-list.ts';
import { mysqlSessionStore } from './session/mysql-session-store.ts';
import { Persister } from './session/persister.ts';
import type { SessionRecord } from './session/record.ts';
import { SessionOwner } from './session/session-owner.ts';
import type { SessionStore } from './session/session-store.ts';
import { SyncRunner } from './sources/runner.ts';
import type { Storage } from './start-storage.ts';
import { purge } from './store/purge.ts';

/** What decisions are made from: members, revocation feed, policy, sessions. */
export interface Core {
  readonly joined: Joined;
  readonly freshness: Freshness;
  readonly feed: RevocationFeed;
  readonly leaseBook: LeaseBook;
  readonly lengths: LeaseLengths;
  readonly membership: Membership;
  readonly policies: PolicyStore;
  readonly sessions: SessionOwner;
  readonly sightings: Sightings;
  readonly appVersions: AppVersions;
  readonly list: Pick<SessionStore, 'list' | 'info'>;
  readonly syncRunner: SyncRunner;
  readonly gateways: GatewayAssignments;
  /** Undefined: no decision is kept. */
  readonly sample: DecisionSample | undefined;
  /** Sessions that are in no database go to a pod that goes on. */
  readonly giveSessionsAway: () => Promise<number>;
}

const sweepEveryMs = 30_000;
const purgeEveryMs = 600_000;
const catalogEveryMs = 60_000;
const appVersionsEveryMs = 2000;

export async function startCore(
  life: Lifecycle,
  config: SecurityConfig,
  log: Logger,
  storage: Storage,
  observer: RpcObserver,
  gateways: GatewayAssignments,
): Promise<Core> {
  const clock = systemClock;
  const { pod } = config;
  const { db, replica, time } = storage;
  const endProcess = (why: string) => (): void => {
    log.fatal({ why }, 'this process may not answer any more, so it ends');
    void life.stop(why).then(() => process.exit(1));
  };

  const members = mysqlMembershipStore(db);
  const joined = await life.start('membership', () => members.join(pod));
  const lengths = leaseLengths(config.leases.durationMs, config.sites);
  const leaseBook = new LeaseBook(clock, lengths);
  const freshness = new Freshness(clock, config.feed);
  const peers = await life.start(
    'peers',
    () => peerClient({ self: pod, outSocket: config.sockets.out, observer }),
    (client) => client.close(),
  );
  const policies = new PolicyStore(mysqlPolicies(replica), log);
  const feed = new RevocationFeed({
    source: mysqlFeedSource(db, replica, clock),
    time,
    freshness,
    clock,
    log,
    era: joined.era,
    keepMs: config.sessions.maxLifeMs,
    pollMs: config.feed.pollMs,
    onNews: ({ policyVersion }) => {
      policies
        .refresh(policyVersion)
        .catch((error) => log.warn({ err: error, policyVersion }, 'the new policy could not be read'));
    },
    onEraEnd: endProcess('another era has begun'),
  });
  const everybody = fleet({
    pod,
    peers,
    leases: leaseBook,
    time,
    clock,
    log,
    members: () => feed.members,
    entriesAfter: (position) => feed.entriesAfter(position),
    freshMs: config.feed.freshMs,
    silentMs: config.feed.silentMs,
    leaseMs: lengths.longestMs,
  });
  const membership = new Membership({
    pod,
    store: members,
    joined,
    freshness,
    clock,
    log,
    position: () => feed.position,
    onReplaced: endProcess('another process has the name of this pod'),
  });
  await life.start(
    'heartbeat',
    () => membership.start(),
    () => membership.stop(),
  );
  await life.start(
    'revocation feed',
    () => feed.start(everybody),
    () => feed.close(),
  );
  await policies.refresh(await newestPolicy(storage));
  const appVersions = new AppVersions(replica);
  await appVersions.refresh();
  const looking = clock.setRepeating(appVersionsEveryMs, () => {
    appVersions
      .refresh()
      .catch((error) => log.warn({ err: error }, 'which versions of apps may be used could not be read'));
  });
  life.defer('app versions', () => looking.cancel());

  const sample =
    config.policy.record === 'on'
      ? await life.start(
          'sample of decisions',
          () => new DecisionSample({ write: writeCases(db), clock, random: Math.random, log }),
          (each) => each.close(),
        )
      : undefined;
  const parts = startSessions(life, config, log, storage, { joined, feed, peers, gateways });
  const syncRunner = await life.start(
    'directories',
    () => startSyncRunner(config, log, storage, feed),
    (runner) => runner.close(),
  );
  return {
    joined,
    freshness,
    feed,
    leaseBook,
    lengths,
    membership,
    policies,
    appVersions,
    syncRunner,
    gateways,
    sample,
    ...parts,
  };
}

function startSyncRunner(
  config: SecurityConfig,
  log: Logger,
  storage: Storage,
  feed: RevocationFeed,
): SyncRunner {
  const { db, dataKeys, hosts, time } = storage;
  const runner = new SyncRunner({
    pod: config.pod,
    host: config.host ?? hostname(),
    runsAt: config.sources.hosts,
    db,
    dataKeys,
    hosts,
    feed,
    clock: time.asClock(),
    log,
  });
  runner.start();
  return runner;
}

function startSessions(
  life: Lifecycle,
  config: SecurityConfig,
  log: Logger,
  storage: Storage,
  core: { joined: Joined; feed: RevocationFeed; peers: Peers; gateways: GatewayAssignments },
): Pick<Core, 'sessions' | 'sightings' | 'list' | 'giveSessionsAway'> {
  const clock = systemClock;
  const { pod, sessions: limits } = config;
  const { db, replica, time, dataKeys, keyring } = storage;
  const { joined, feed, peers, gateways } = core;
  const now = (): number => time.now();
  const held = new HeldSessions(limits.maxHeld);
  const store = limits.persistence === 'on' ? mysqlSessionStore(db, replica, dataKeys) : undefined;
  const persister =
    store &&
    new Persister({
      store,
      clock,
      random: Math.random,
      log,
      onStored: (record) => sessions.stored(record),
      patienceMs: limits.patienceMs,
    });
  const lastSeen = new LastSeen(
    {
      saveLastSeen: async (seen) => {
        await store?.saveLastSeen(seen);
        await saveDevicesSeen(db, seen);
      },
    },
    log,
  );
  const sightings = new Sightings(db, log);
  const unit = '{session}';
  gauge('sallyport.session.held', { unit, description: 'Sessions in memory.' }, () => held.size);
  gauge(
    'sallyport.session.behind',
    { unit, description: 'Sessions that wait for the database.' },
    () => persister?.behind.size ?? 0,
  );
  const elsewhere = { peers, gateways, members: () => feed.members, refreshMembers: () => feed.refresh() };
  const sessions = new SessionOwner({
    pod,
    era: joined.era,
    feed,
    macKeys: () => keyring.macKeys(),
    keys: dataKeys,
    held,
    forwarding: new Forwarding(clock),
    persister,
    store,
    elsewhere,
    now,
    clock,
    log,
    maxLifeMs: limits.maxLifeMs,
    onSeen: (handle, atMs) => lastSeen.note(handle, atMs),
  });
  const sweep = clock.setRepeating(sweepEveryMs, () => {
    sessions.sweep();
    void lastSeen.flush();
  });
  const purging = clock.setRepeating(purgeEveryMs, () => {
    purge(db, limits.maxLifeMs).catch((error) => log.warn({ err: error }, 'old rows could not be deleted'));
  });
  const tidying = clock.setRepeating(catalogEveryMs, () => {
    tidyCatalogue(db, { dataKeys, nowMs: now() }).catch((error) =>
      log.warn({ err: error }, 'the app catalogue could not be tidied'),
    );
  });
  const unpersisted = (): SessionRecord[] =>
    persister === undefined ? [...held.values()].map(({ record }) => record) : [...persister.behind.values()];
  const give = (): Promise<number> =>
    giveAway({ ...elsewhere, pod, owner: sessions, clock, log }, unpersisted());
  life.defer('sessions', async () => {
    sweep.cancel();
    purging.cancel();
    tidying.cancel();
    await Promise.all([persister?.close(), lastSeen.flush(), sightings.close()]);
    // Those that were opened while the pod drained.
    await give();
  });
  return { sessions, sightings, list: store ?? memoryList(held, now), giveSessionsAway: give };
}

/** The feed's first look tells of it, too, but does not wait until it decides. */
async function newestPolicy({ db }: Storage): Promise<number> {
  const row = await db.read((on) =>
    on
      .selectFrom('policies')
      .select(({ fn }) => fn.max('version').as('version'))
      .executeTakeFirst(),
  );
  return Number(row?.version ?? 0);
}
