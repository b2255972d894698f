/** The topology: which pods there are, where they live, where they listen. Everything else follows from it. */

/** Roles that run as pods. */
export const podRoles = [
  'edge',
  'proxy',
  'security',
  'gateway',
  'worker',
  'db',
  'backend',
  'service',
] as const;
export type PodRole = (typeof podRoles)[number];

/**
 * Roles of the mesh, as they stand in identities: `spiffe://<trust domain>/<role>/<pod>`. An operator is a
 * person (or the CLI) with a certificate, not a pod.
 */
export const roles = [...podRoles, 'operator'] as const;
export type Role = (typeof roles)[number];

/**
 * TCP ports of a pod, all on its `address`.
 * - `mesh`: the sidecar's mutual-TLS HTTP/2 ingress
 * - `mysql`: a database sidecar's mutual-TLS TCP ingress to mysqld's socket
 * - `agent`: a database sidecar's mutual-TLS HTTP ingress to the db-agent
 * - `group`: mysqld itself: SQL and group traffic with MySQL's own TLS
 * - `public`: an edge's TLS port for phones (TCP, and UDP for HTTP/3)
 */
export const portNames = ['mesh', 'mysql', 'agent', 'group', 'public'] as const;
export type PortName = (typeof portNames)[number];

export interface Pod {
  /** Unique and stable: `sec-0`, `proxy-1`, `intranet-0`. `[a-z0-9-]`, at most 40 characters. */
  readonly name: string;
  readonly role: PodRole;
  /** The slave site that it stands at; undefined: the master, or the only one. */
  readonly site?: string;
  /** The failure domain that it dies with: a machine, or a network namespace in drills. */
  readonly host: string;
  /** IP address on which its ports listen and at which other sidecars reach it. */
  readonly address: string;
  readonly ports: Readonly<Partial<Record<PortName, number>>>;
  /** Only for role `backend`: the cluster by which resources name it. Several pods may share one. */
  readonly backend?: { readonly cluster: string };
  /** Only for role `gateway`: the group that it is of, by which resources and tasks name it. */
  readonly gateway?: { readonly group: string };
}

export interface Topology {
  /** Name of this mesh: Envoy's `node.cluster` begins with it, and the trace resource. */
  readonly mesh: string;
  /** Trust domain of the identities, without `spiffe://`. */
  readonly trustDomain: string;
  /** Absolute path of what is kept: keys, certificates, configuration, data. */
  readonly stateDir: string;
  /** Absolute, short path of what lives as long as the processes do: their sockets. */
  readonly runDir: string;
  readonly pods: readonly Pod[];
  /** The site that has the database group and the security tier since a promotion; undefined: the one without a name. */
  readonly master?: string | undefined;
}

/** Ports that a pod of this role needs. */
export const portsOf: Readonly<Record<PodRole, readonly PortName[]>> = {
  edge: ['public'],
  proxy: ['mesh'],
  security: ['mesh'],
  gateway: ['mesh'],
  worker: [],
  db: ['mysql', 'agent', 'group'],
  backend: ['mesh'],
  service: [],
};
