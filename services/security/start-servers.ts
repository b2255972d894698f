import { Authorization } from '#gen/envoy/service/auth/v3/external_auth_pb.js';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { AppCatalog, AppDelivery, CatalogStore } from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { DeviceService } from '#gen/sallyport/device/v1/device_pb.js';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { Sources } from '#gen/sallyport/directory/v1/sources_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { PeerService } from '#gen/sallyport/peer/v1/peer_pb.js';
import { Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { ScheduleService } from '#gen/sallyport/task/v1/schedule_pb.js';
import { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import { WorkItemService } from '#gen/sallyport/task/v1/work_item_pb.js';
import { Bound } from '#kernel/crypto/bound.ts';
import type { Lifecycle } from '#kernel/lifecycle/lifecycle.ts';
import type { Logger } from '#kernel/log/logger.ts';
import { createAdmission } from '#kernel/rpc/admission.ts';
import { createConnectServer } from '#kernel/rpc/connect-server.ts';
import { createGrpcServer, type RpcServer } from '#kernel/rpc/grpc-server.ts';
import { HealthState } from '#kernel/rpc/health.ts';
import { type Implementation, implement } from '#kernel/rpc/implement.ts';
import type { RpcObserver } from '#kernel/rpc/observer.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import type { AttestationVerifiers } from './attestation/attestation.ts';
import { attestationVerifiers } from './attestation/verifiers.ts';
import { administrators, mysqlRoles } from './authorize/administrators.ts';
import { Assertions } from './authorize/assertions.ts';
import { authorize } from './authorize/authorize.ts';
import { check } from './authorize/check.ts';
import { endsSessions } from './authorize/ends-sessions.ts';
import { epochs } from './authorize/epochs.ts';
import { grants } from './authorize/grant.ts';
import { lastLook } from './authorize/last-look.ts';
import { leaseSessionKey } from './authorize/lease-session-key.ts';
import { leases } from './authorize/leases.ts';
import { quickAuthorizeRequest, quickStreamRequest } from './authorize/quick-read.ts';
import { subjects } from './authorize/subject.ts';
import { watch } from './authorize/watch.ts';
import { catalogService } from './catalog/catalog-service.ts';
import { catalogStore, deliveryService } from './catalog/delivery-service.ts';
import type { SecurityConfig } from './config.ts';
import { deviceService } from './devices/device-service.ts';
import { directoryService } from './directory/directory-service.ts';
import { keyStoreService } from './keystore/key-store-service.ts';
import { type OidcVerifier, oidcVerifier } from './oidc/oidc-verifier.ts';
import { peerService } from './peer/peer-service.ts';
import { policyService } from './policy/policy-service.ts';
import { scimService } from './scim/scim-service.ts';
import { sessionService } from './session/session-service.ts';
import { sourcesService } from './sources/sources-service.ts';
import type { Core } from './start-core.ts';
import type { Storage } from './start-storage.ts';
import { scheduleService } from './tasks/schedule-service.ts';
import { taskService } from './tasks/task-service.ts';
import { WorkBell } from './tasks/work-bell.ts';
import { workItemService } from './tasks/work-item-service.ts';
import { limits } from './throttle/limits.ts';

/** Opens the pod's two sockets, and is ready for calls as long as the feed is fresh. */
export async function startServers(
  life: Lifecycle,
  config: SecurityConfig,
  log: Logger,
  storage: Storage,
  core: Core,
  observer: RpcObserver,
): Promise<void> {
  const { sockets, drain, pod } = config;
  // One each: opens and changes that wait for the database crowd out no decision about what is held.
  const admission = { hot: createAdmission(), rare: createAdmission() };
  const health = new HealthState();
  const bell = new WorkBell(systemClock);
  const hot = hotServices(config, log, storage, core, bell);
  const attestation = await attestationVerifiers(config.attestation);
  const oidc = await oidcVerifier(config.oidc, { clock: storage.time.asClock(), log });
  const rare = rareServices(config, log, storage, core, { attestation, oidc, bell });
  const close = (server: RpcServer): Promise<void> => server.close({ graceMs: drain.graceMs });
  const closeMs = drain.graceMs + 5000;
  const describe = rare.map((each) => each.service);
  const grpc = createGrpcServer({
    services: hot,
    health,
    describe,
    log,
    admission: admission.hot,
    observer,
    pod,
  });
  const { db, time } = storage;
  const scim = scimService({
    db,
    feed: core.feed,
    limits: limits(time.asClock()),
    clock: time.asClock(),
    log,
  });
  const connect = createConnectServer({
    services: rare,
    plain: [scim],
    log,
    admission: admission.rare,
    observer,
    pod,
  });
  const listening = async (server: RpcServer, socket: string): Promise<RpcServer> => {
    await server.listen(socket);
    return server;
  };
  await life.start('grpc server', () => listening(grpc, sockets.grpc), close, { closeMs });
  await life.start('connect server', () => listening(connect, sockets.connect), close, { closeMs });

  const fresh = life.readiness.condition('revocation feed');
  const look = (): void => fresh.set(core.freshness.fresh, 'it was not read lately');
  const looking = systemClock.setRepeating(250, look);
  const stopObserving = life.readiness.observe((ready) => health.set(ready));
  life.defer('readiness', () => {
    looking.cancel();
    stopObserving();
  });
  look();
  await core.membership.become('serving');
  life.onDrain(
    'the others to notice',
    async () => {
      await core.membership.become('draining');
      await systemClock.sleep(drain.noticeMs);
    },
    { timeoutMs: drain.noticeMs + 10_000 },
  );
  life.onDrain('sessions that are in no database', core.giveSessionsAway);
}

/** Called for every request or attachment: by grpc-js. */
function hotServices(
  config: SecurityConfig,
  log: Logger,
  storage: Storage,
  core: Core,
  bell: WorkBell,
): Implementation[] {
  const { pod } = config;
  const { db, replica, dataKeys, time, keyring } = storage;
  const { sessions, feed, policies, leaseBook, joined, freshness, gateways } = core;
  const now = (): number => time.now();
  const lease = leases({ pod, feed, book: leaseBook, policies, now, lengths: core.lengths });
  const assertions = new Assertions({ signer: () => keyring.assertionSigner(), now });
  const { sample } = core;
  const grant = grants({ policies, assertions, sample, now, end: endsSessions({ sessions, log }) });
  const siteOf = new Map(config.sites.flatMap(({ name, proxies }) => proxies.map((proxy) => [proxy, name])));
  const look = lastLook(feed);
  const shown = subjects({ sessions, jwks: () => keyring.jwks(), now });
  const nextEpoch = epochs(joined.era, joined.incarnation);
  // Packages are large, and not what this pod is for.
  const bound = new Bound({ inside: 3, waiting: 300, what: 'reads of the app catalogue' });
  const delivery = { db, replica, dataKeys, keyring, clock: time.asClock(), log, bound };
  return [
    implement(KeyStore, { leaseSessionKey: leaseSessionKey({ sessions, lease, nextEpoch, log }) }),
    implement(
      ProxyAuthorize,
      {
        ...authorize({
          pod,
          sessions,
          subjects: shown,
          grant,
          gateways,
          lease,
          lengths: core.lengths,
          siteOf: (proxy) => siteOf.get(proxy),
          look,
          now,
        }),
        watch: watch({ pod, joined, feed, freshness, policies, book: leaseBook, clock: systemClock, log }),
      },
      { quickRead: { authorize: quickAuthorizeRequest, authorizeStream: quickStreamRequest } },
    ),
    implement(Authorization, { check: check({ subjects: shown, grant, look, log }) }),
    implement(AppDelivery, deliveryService(delivery)),
    implement(CatalogStore, catalogStore(delivery)),
    implement(PeerService, peerService({ sessions, feed, leases: leaseBook })),
    implement(TaskService, { awaitWork: bell.awaitWork }),
  ];
}

/** Called rarely, also with Connect and JSON: by connect-node. */
function rareServices(
  config: SecurityConfig,
  log: Logger,
  storage: Storage,
  core: Core,
  {
    attestation,
    oidc,
    bell,
  }: { readonly attestation: AttestationVerifiers; readonly oidc: OidcVerifier; readonly bell: WorkBell },
): Implementation[] {
  const { pod, edgeUrls, proxyUrls, sites } = config;
  const { db, replica, time, dataKeys, keyring, credentials } = storage;
  const { sessions, sightings, feed, joined, list, policies, appVersions } = core;
  // Its wall time is the database's: what these write is compared by other pods.
  const clock = time.asClock();
  const { lifetimeMs, peopleLifetimeMs } = config.sessions;
  // A handshake costs a millisecond of the event loop that decides, too: a flood of them waits in line.
  const handshakes = new Bound({ inside: 2, waiting: 200, what: 'handshakes' });
  const counted = { limits: limits(clock), handshakes };
  const admins = administrators({ sessions, rolesOf: mysqlRoles(db), twoWays: config.roles.twoWays });
  const shared = {
    admins,
    db,
    replica,
    dataKeys,
    keyring,
    credentials,
    oidc,
    sessions,
    feed,
    clock,
    log,
    ...counted,
  };
  return [
    implement(
      SessionService,
      sessionService({
        enroll: { ...shared, attestation },
        openSession: { ...shared, sightings, policies, appVersions, lifetimeMs, proxyUrls, sites },
        messages: { ...shared, lifetimeMs },
        people: { ...shared, providers: config.oidc, lifetimeMs: peopleLifetimeMs },
        queries: { pod, era: joined.era, sessions, list, feed, admins, clock, now: () => time.now() },
      }),
    ),
    implement(KeyStore, keyStoreService({ ...shared, edgeUrls })),
    implement(DeviceService, deviceService({ ...shared, edgeUrls })),
    implement(Directory, directoryService({ db, feed, admins, clock })),
    implement(Sources, sourcesService({ pod, db, dataKeys, admins, clock, runner: core.syncRunner })),
    implement(AppCatalog, catalogService({ db, dataKeys, admins, clock })),
    implement(
      Policy,
      policyService({
        ...{ db, policies, admins, list, feed, clock, log, sample: core.sample },
        gateways: config.gateways,
        sites,
        signOff: config.policy.signOff,
      }),
    ),
    implement(TaskService, taskService({ db, admins, bell, clock })),
    implement(ScheduleService, scheduleService({ db, admins, bell })),
    implement(WorkItemService, workItemService({ db, admins, bell, clock })),
  ];
}
