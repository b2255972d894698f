import { z } from 'zod';
import { isProviderUrl } from '#core/channel/provider-url.ts';
import type { DeepReadonly } from '#kernel/config/load-config.ts';
import { duration, path, podName, socketPath } from '#kernel/config/primitives.ts';
import { rootKeySchema } from '#kernel/crypto/root-key-providers.ts';
import { logLevels } from '#kernel/log/logger.ts';
import { personRoles } from './directory/roles.ts';

const hour = 3_600_000;
const day = 24 * hour;

/** Configuration of a security pod; parsed once, at start. */
export const securityConfig = z.strictObject({
  pod: podName().describe('Name of this pod.'),
  sockets: z
    .strictObject({
      grpc: socketPath().describe('Made here: hot services, health, reflection.'),
      connect: socketPath().describe('Made here: rare services.'),
      out: socketPath().describe("The sidecar's egress for gRPC."),
      dbRw: socketPath().describe("The sidecar's way to the MySQL primary."),
      dbRo: socketPath().describe("The sidecar's way to any readable member."),
      figures: socketPath()
        .optional()
        .describe('Made here: counts that are always kept, as Prometheus text.'),
    })
    .describe('Unix sockets.'),
  rootKey: rootKeySchema.describe('Where the root key comes from.'),
  database: z
    .strictObject({
      user: z.string().min(1).default('sallyport').describe('Account for everything but the schema.'),
      passwordFile: path().describe('File with its password.'),
      migrateUser: z.string().min(1).default('migrate').describe('Account that may change the schema.'),
      migratePasswordFile: path()
        .optional()
        .describe('File with its password; given, this pod brings the schema up to date when it starts.'),
      connections: z.int().min(2).max(100).default(8).describe('Connections at most, to each socket.'),
    })
    .describe('MySQL.'),
  host: z
    .string()
    .min(1)
    .max(128)
    .optional()
    .describe("The machine that this pod is on, where sources are bound to one; the machine's name."),
  sources: z
    .strictObject({
      hosts: z
        .array(z.string().min(1).max(128))
        .max(64)
        .default([])
        .describe('Pods or hosts on which directories are read; empty or `localhost`: on any.'),
    })
    .prefault({})
    .describe('Directories; where a single one may run is in its own settings.'),
  policy: z
    .strictObject({
      signOff: z
        .enum(['on', 'off'])
        .default('off')
        .describe(
          'on: nobody changes the policy alone; what one proposes another one signs. The same at all pods.',
        ),
      record: z
        .enum(['on', 'off'])
        .default('on')
        .describe(
          'on: a sample of decisions (user, groups, app, method, host, path, address) is kept for two weeks, and `policy diff` decides them again.',
        ),
    })
    .prefault({})
    .describe('Changes of the policy, and trying them.'),
  seedFile: path().optional().describe('Users and policy of a new, empty database.'),
  sessions: z
    .strictObject({
      persistence: z
        .enum(['on', 'off'])
        .default('on')
        .describe('off: sessions live in memory only, and their users log in again after their pod dies.'),
      lifetimeMs: duration({ min: 60_000, max: 30 * day })
        .default(12 * hour)
        .describe("A device's session, and each renewal."),
      peopleLifetimeMs: duration({ min: 60_000, max: 7 * day })
        .default(8 * hour)
        .describe("A person's session."),
      maxLifeMs: duration({ min: 60_000, max: 90 * day })
        .default(7 * day)
        .describe('From opening to the end, however often it was renewed; revocations are kept as long.'),
      maxHeld: z.int().min(100).max(5_000_000).default(200_000).describe('Sessions in memory at most.'),
      patienceMs: duration({ min: 10, max: 10_000 })
        .default(200)
        .describe('How long a login waits for the database before its session is written behind.'),
    })
    .prefault({})
    .describe('Sessions.'),
  leases: z
    .strictObject({
      durationMs: duration({ min: 1000, max: 60_000 })
        .default(10_000)
        .describe('Longest lease of a proxy; the same at all pods.'),
    })
    .prefault({})
    .describe('Leases.'),
  feed: z
    .strictObject({
      pollMs: duration({ min: 100, max: 10_000 })
        .default(1000)
        .describe('Between two looks at the revocation feed.'),
      freshMs: duration({ min: 1000, max: 120_000 })
        .default(20_000)
        .describe(
          'A look at the feed is good for so long; longer than a database failover; the same at all pods.',
        ),
      silentMs: duration({ min: 2000, max: 600_000 })
        .default(60_000)
        .describe('A pod is silent so long after its last heartbeat; the same at all pods.'),
    })
    .prefault({})
    .describe('The revocation feed.'),
  drain: z
    .strictObject({
      noticeMs: duration({ max: 60_000 })
        .default(1000)
        .describe('From NOT_SERVING until calls are refused: health checks must see it.'),
      graceMs: duration({ max: 120_000 }).default(5000).describe('For calls in flight.'),
    })
    .prefault({})
    .describe('How the pod stops.'),
  gateways: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(63).describe('By which resources name it (`gatewayGroup`).'),
        pods: z
          .array(podName())
          .max(100)
          .describe('Its gateways, to which sessions are given round robin. Looked at while it runs.'),
        targets: z
          .array(z.string().min(1).max(63))
          .max(1000)
          .describe('What resources may name as `backend`: its HTTP targets.'),
        site: z.string().max(40).optional().describe('The one site from which it is reached.'),
      }),
    )
    .max(100)
    .default([])
    .describe('Groups of gateways.'),
  edgeUrls: z.array(z.url()).min(1).max(16).describe('Base URLs of the edges, for activation strings.'),
  proxyUrls: z
    .array(z.url())
    .max(16)
    .default([])
    .describe('Told to devices; empty: the edges that they know.'),
  sites: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(40).describe('By which profiles and policies name it.'),
        edgeUrls: z.array(z.url()).min(1).max(16).describe('Its edges, for sessions that are to use it.'),
        proxies: z.array(podName()).max(100).describe('Its proxies.'),
        leaseMs: duration({ min: 1000, max: 120_000 })
          .optional()
          .describe('Longest lease of its proxies; without it as of all others. The same at all pods.'),
      }),
    )
    .max(2)
    .default([])
    .describe('Where there are two sites; the first one is meant by who names none.'),
  oidc: z
    .array(
      z.strictObject({
        issuer: z
          .url()
          .refine(isProviderUrl, 'must be https, or http on the loopback interface')
          .describe('As the provider spells it; https, or http on the loopback interface.'),
        clientId: z.string().min(1).max(256).describe('Of the app, a public client that uses PKCE.'),
        peopleClientId: z
          .string()
          .min(1)
          .max(256)
          .optional()
          .describe(
            "Of people's tools (`sallyport login --oidc`), a public client that uses PKCE and may be led back to the loopback interface; without it people do not log in by this provider.",
          ),
        userClaim: z
          .string()
          .min(1)
          .default('preferred_username')
          .describe('Claim of the ID token that is the name of a user here.'),
        strongAcr: z
          .array(z.string())
          .default([])
          .describe('With one of these as `acr` the user has shown two factors: level 2.'),
        strongAmr: z.array(z.string()).default(['mfa']).describe('The same for one of these in `amr`.'),
        caFile: path().optional().describe("PEM of the provider's root; by default the system's."),
      }),
    )
    .max(8)
    .refine(
      (all) => new Set(all.map(({ issuer }) => issuer)).size === all.length,
      'must name each issuer once',
    )
    .default([])
    .describe('OpenID providers whose ID tokens open sessions.'),
  roles: z
    .strictObject({
      twoWays: z
        .enum(personRoles)
        .optional()
        .describe(
          'This role and those above it count only for who has logged in by two ways (a password and an ID token, or a provider that asks for two); none: for everybody who has them. The same at all pods.',
        ),
    })
    .prefault({})
    .describe('What people may administer.'),
  attestation: z
    .strictObject({
      appleTeams: z
        .array(z.string().regex(/^[A-Z0-9]{10}$/))
        .max(16)
        .default([])
        .describe('Team ids whose apps may attest by Apple App Attest; none: it is not taken.'),
      appleEnvironment: z
        .enum(['production', 'development'])
        .default('production')
        .describe('Of App Attest: apps from Xcode are of the development environment.'),
      androidRevoked: path()
        .optional()
        .describe("Google's list of revoked attestation certificates, as JSON; read at start."),
      androidRoots: path()
        .optional()
        .describe("PEM of roots that stand in place of Google's, for devices with keys of one's own."),
    })
    .prefault({})
    .describe('What platforms vouch for when a device is enrolled. Verified without a network.'),
  telemetry: z
    .strictObject({
      endpoint: z.url().optional().describe('OTLP/HTTP collector for traces and metrics.'),
      sampleRatio: z
        .number()
        .min(0)
        .max(1)
        .optional()
        .describe('Share of traces that begin here and are kept.'),
      prometheusSocket: socketPath()
        .optional()
        .describe('Unix socket that serves metrics as Prometheus text.'),
    })
    .prefault({})
    .describe('Off unless an endpoint or a socket is given.'),
  logLevel: z.enum(logLevels).default('info').describe('Least level that is logged.'),
});

export type SecurityConfig = DeepReadonly<z.output<typeof securityConfig>>;
