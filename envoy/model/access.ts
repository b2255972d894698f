import type { Role } from '#compose/topology/types.ts';

/**
 * Which role may call which method, and how a call may be repeated: the one table from which the sidecars'
 * RBAC filters, routes and retries are built.
 */

/**
 * - `stream`: lives as long as both sides; never cut for being quiet, never repeated
 * - `once`: repeated only if it reached no process
 * - `repeatable`: the proto marks it idempotent, or a repeated message gets the same answer
 * - `quick`: repeatable, and answered from memory: a try that takes longer than per_try_timeout is given up
 */
export type CallMode = 'stream' | 'once' | 'repeatable' | 'quick';
/** The process's server behind a method: `grpc.sock` (hot) or `connect.sock` (rare). */
export type ServerSocket = 'grpc' | 'connect';

export interface Method {
  /** `/package.Service/Method`, as in the request. */
  readonly path: string;
  /** Everything below the path, too: what is no RPC. */
  readonly below?: true;
  readonly mode: CallMode;
  readonly server: ServerSocket;
}

function service<M extends string>(
  name: string,
  server: ServerSocket,
  modes: Record<M, CallMode>,
): Record<M, Method> {
  return Object.fromEntries(
    Object.entries<CallMode>(modes).map(([method, mode]) => [
      method,
      { path: `/${name}/${method}`, mode, server },
    ]),
  ) as Record<M, Method>;
}

const session = service('sallyport.session.v1.SessionService', 'connect', {
  Enroll: 'repeatable',
  OpenSession: 'repeatable',
  RenewSession: 'once',
  CloseSession: 'once',
  StepUp: 'once',
  Login: 'once',
  ListOpenIdProviders: 'quick',
  Logout: 'once',
  GetSession: 'quick',
  ListSessions: 'repeatable',
  RevokeSessions: 'repeatable',
});
// A repeated attach gets an epoch of its own; the one whose answer was lost is never used.
const leases = service('sallyport.keystore.v1.KeyStore', 'grpc', { LeaseSessionKey: 'repeatable' });
const keyStore = service('sallyport.keystore.v1.KeyStore', 'connect', {
  GetServerKeys: 'quick',
  GetJwks: 'quick',
  CreateActivation: 'once',
  ListSharedKeys: 'repeatable',
  RotateSharedKey: 'once',
  RevokeSharedKey: 'repeatable',
  RotateRootKey: 'repeatable',
  GetRootKeyStatus: 'repeatable',
});
const devices = service('sallyport.device.v1.DeviceService', 'connect', {
  ListDevices: 'repeatable',
  GetDevice: 'repeatable',
  RenameDevice: 'repeatable',
  BlockDevice: 'repeatable',
  UnblockDevice: 'repeatable',
  WipeSessions: 'repeatable',
  ReplaceDevice: 'once',
});
const directory = service('sallyport.directory.v1.Directory', 'connect', {
  ListUsers: 'repeatable',
  GetUser: 'repeatable',
  // A request key makes a repetition harmless.
  CreateUser: 'repeatable',
  UpdateUser: 'repeatable',
  SetPassword: 'repeatable',
  DeleteUser: 'repeatable',
});
const sources = service('sallyport.directory.v1.Sources', 'connect', {
  ListSources: 'repeatable',
  GetSource: 'repeatable',
  PutSource: 'repeatable',
  TestSource: 'repeatable',
  StartSync: 'repeatable',
  GetSync: 'repeatable',
  CancelSync: 'repeatable',
  CreateScimToken: 'once',
  ListScimTokens: 'repeatable',
  RevokeScimToken: 'repeatable',
});
/** RFC 7644. Its creates are told apart by name, so that what has reached a process is not sent again. */
export const scim: Method = { path: '/scim/v2', below: true, mode: 'once', server: 'connect' };
const policy = service('sallyport.policy.v1.Policy', 'connect', {
  GetPolicy: 'repeatable',
  ApplyPolicy: 'repeatable',
  ProposePolicy: 'repeatable',
  SignProposal: 'repeatable',
  RejectProposal: 'repeatable',
  GetProposal: 'repeatable',
  ListProposals: 'repeatable',
  ListVersions: 'repeatable',
  Explain: 'repeatable',
});
const catalog = service('sallyport.catalog.v1.AppCatalog', 'connect', {
  BeginUpload: 'repeatable',
  PutChunk: 'repeatable',
  CommitUpload: 'repeatable',
  ReadChunk: 'repeatable',
  ListReleases: 'repeatable',
  ListChannels: 'repeatable',
  SetRollout: 'repeatable',
  HaltRollout: 'repeatable',
  RollBack: 'repeatable',
  SetVersions: 'repeatable',
  RemoveRelease: 'repeatable',
  RotateKeys: 'repeatable',
});
const tasks = service('sallyport.task.v1.TaskService', 'connect', {
  SubmitTask: 'repeatable',
  GetTask: 'repeatable',
  ListTasks: 'repeatable',
  WatchTask: 'stream',
  CancelTask: 'repeatable',
  ListKinds: 'repeatable',
});
const items = service('sallyport.task.v1.WorkItemService', 'connect', {
  ListItems: 'repeatable',
  GetItem: 'repeatable',
  GetForm: 'repeatable',
  ClaimItem: 'repeatable',
  ReleaseItem: 'repeatable',
  // A request key makes a repetition harmless.
  SaveDraft: 'repeatable',
  CompleteItem: 'repeatable',
  DelegateItem: 'repeatable',
});
const taskCare = service('sallyport.task.v1.TaskService', 'connect', {
  SignalTask: 'repeatable',
  RetryTask: 'repeatable',
  SkipStep: 'repeatable',
});
const schedules = service('sallyport.task.v1.ScheduleService', 'connect', {
  ListSchedules: 'repeatable',
  // A request key makes a repetition harmless.
  PutSchedule: 'repeatable',
  PauseSchedule: 'repeatable',
  RunSchedule: 'repeatable',
  RemoveSchedule: 'repeatable',
  ReadReport: 'repeatable',
});
const work = service('sallyport.task.v1.TaskService', 'grpc', { AwaitWork: 'stream' });
// Devices ask proxies; those pass on what the security tier has to answer.
const delivery = service('sallyport.catalog.v1.AppDelivery', 'grpc', {
  CheckUpdate: 'repeatable',
  ReadMetadata: 'repeatable',
  ReportUpdate: 'repeatable',
});
const targets = service('sallyport.catalog.v1.AppDelivery', 'grpc', { ReadTarget: 'stream' });
const catalogStore = service('sallyport.catalog.v1.CatalogStore', 'grpc', {
  OpenTarget: 'repeatable',
  ReadPiece: 'repeatable',
});
const authorize = service('sallyport.authorize.v1.ProxyAuthorize', 'grpc', {
  Authorize: 'quick',
  AuthorizeStream: 'stream',
  Watch: 'stream',
});
const check = service('envoy.service.auth.v3.Authorization', 'grpc', { Check: 'quick' });
const peer = service('sallyport.peer.v1.PeerService', 'grpc', {
  HandOver: 'once',
  PushRevocation: 'repeatable',
  PushSessions: 'repeatable',
});
const relay = service('sallyport.relay.v1.Relay', 'grpc', {
  Attach: 'once',
  Exchange: 'once',
  Stream: 'stream',
});
const gateway = service('sallyport.gateway.v1.Gateway', 'grpc', { Invoke: 'once', InvokeStream: 'stream' });
const link = service('sallyport.gateway.v1.GatewayLink', 'grpc', { Serve: 'stream' });
const health = service('grpc.health.v1.Health', 'grpc', { Check: 'quick', Watch: 'stream' });
const reflection = [
  service('grpc.reflection.v1.ServerReflection', 'grpc', { ServerReflectionInfo: 'stream' }),
  service('grpc.reflection.v1alpha.ServerReflection', 'grpc', { ServerReflectionInfo: 'stream' }),
].flatMap((s) => Object.values(s));

const alive = Object.values(health);

/** What phones and people may call through an edge: the edge routes these and nothing else. */
export const publicMethods = {
  proxy: [...Object.values(relay), ...Object.values(delivery), ...Object.values(targets)],
  security: [
    session.Enroll,
    session.OpenSession,
    session.RenewSession,
    session.CloseSession,
    session.StepUp,
    session.Login,
    session.ListOpenIdProviders,
    session.Logout,
    session.GetSession,
    keyStore.GetServerKeys,
    keyStore.GetJwks,
    // People's own; others' are for administrators (adminHeader).
    ...Object.values(devices),
    ...Object.values(tasks),
    ...Object.values(items),
  ],
} as const;

/**
 * What people with a role may call through an edge, when `edge.admin_api` of mesh.yaml says so. Which role may
 * use which is the process's to say: services/security/authorize/role-table.ts.
 */
export const adminMethods: readonly Method[] = [
  session.ListSessions,
  session.RevokeSessions,
  keyStore.CreateActivation,
  keyStore.ListSharedKeys,
  keyStore.RotateSharedKey,
  keyStore.RevokeSharedKey,
  keyStore.RotateRootKey,
  keyStore.GetRootKeyStatus,
  ...Object.values(directory),
  ...Object.values(sources),
  ...Object.values(policy),
  ...Object.values(catalog),
  ...Object.values(taskCare),
  ...Object.values(schedules),
];

/** What tasks do at the security tier. Which users they may touch: services/security/authorize/administrators.ts. */
const taskMethods: readonly Method[] = [
  session.ListSessions,
  session.RevokeSessions,
  devices.ListDevices,
  devices.BlockDevice,
  keyStore.ListSharedKeys,
  keyStore.CreateActivation,
  keyStore.RotateSharedKey,
  keyStore.RotateRootKey,
  ...Object.values(directory),
  sources.ListSources,
  sources.StartSync,
  sources.GetSync,
];

/** Roles whose processes serve gRPC behind a `mesh` ingress. */
export type ServingRole = 'security' | 'proxy' | 'gateway';
type CallerTable = Readonly<Partial<Record<Role, readonly Method[]>>>;

/** Serving role → calling role → methods. Whoever is not named is refused. */
export const access: Readonly<Record<ServingRole, CallerTable>> = {
  security: {
    edge: [...publicMethods.security, ...alive],
    proxy: [
      leases.LeaseSessionKey,
      authorize.Authorize,
      authorize.AuthorizeStream,
      authorize.Watch,
      keyStore.GetJwks,
      ...Object.values(delivery),
      ...Object.values(catalogStore),
      ...alive,
    ],
    security: [...Object.values(peer), ...alive],
    gateway: [keyStore.GetJwks, ...alive],
    worker: [keyStore.GetJwks, work.AwaitWork, ...taskMethods, ...alive],
    service: [
      authorize.Authorize,
      authorize.AuthorizeStream,
      keyStore.GetJwks,
      check.Check,
      ...Object.values(tasks),
      scim,
      ...alive,
      ...reflection,
    ],
    operator: [
      session.GetSession,
      scim,
      ...Object.values(devices),
      ...Object.values(tasks),
      ...Object.values(items),
      ...adminMethods,
      ...alive,
      ...reflection,
    ],
  },
  proxy: {
    edge: [...publicMethods.proxy, ...alive],
    gateway: Object.values(link),
    operator: [...alive, ...reflection],
  },
  gateway: {
    proxy: [...Object.values(gateway), ...alive],
    security: [...Object.values(gateway), ...alive],
    worker: [...Object.values(gateway), ...alive],
    operator: [...alive, ...reflection],
  },
};

/** Roles that a backend's sidecar lets in, with whatever request. */
export const backendCallers: readonly Role[] = ['proxy', 'gateway'];
/** Roles that may open connections to MySQL through a database sidecar. */
export const mysqlCallers: readonly Role[] = ['security', 'worker', 'operator'];
/** Roles that may read a db-agent (GET), and those that may also command it. */
export const agentReaders: readonly Role[] = ['security', 'worker', 'db'];
export const agentCommanders: readonly Role[] = ['operator'];

/** Every method that a serving role's process answers, each once. */
export const methodsServedBy = (role: ServingRole): readonly Method[] => [
  ...new Map(
    Object.values(access[role])
      .flat()
      .map((m) => [m.path, m]),
  ).values(),
];
