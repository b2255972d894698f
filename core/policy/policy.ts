/** A compiled policy: one immutable value, replaced whole by the next version. */

import type { AppContext, SessionFacts } from './facts.ts';
import type { GrantReason } from './grant.ts';
import type { Network } from './network.ts';
import type { Outlook } from './outlook.ts';
import type { TimeCondition } from './time-window.ts';
import type { Version } from './version-compare.ts';

/** What the policy says of a backend. One of these belongs to one compiled policy. */
export interface Resource {
  readonly name: string;
  readonly backend: string;
  /** Canonical hosts; the first without a wildcard is what the backend is to see for a request by name. */
  readonly hosts: readonly string[];
  readonly pathPrefix: string;
  /** Undefined: all. */
  readonly methods: ReadonlySet<string> | undefined;
  readonly gatewayGroup: string | undefined;
  readonly site: string | undefined;
  /** `aud` of the identity assertion. */
  readonly audience: string;
  readonly sendPassword: boolean;
  /** Bytes; undefined: the proxy's own limit. */
  readonly maxBodyBytes: number | undefined;
  readonly rules: RuleIndex;
}

/** The rules of a resource by whom they are for, each list in the order of the document. */
export interface RuleIndex {
  readonly all: readonly Rule[];
  readonly everybody: readonly Rule[];
  readonly byGroup: ReadonlyMap<string, readonly Rule[]>;
  readonly byUser: ReadonlyMap<string, readonly Rule[]>;
}

/** A rule, ready to be tried. An absent condition holds always. */
export interface Rule {
  /** Place in the resource, from 0. */
  readonly index: number;
  readonly name: string;
  readonly deny: boolean;
  readonly apps: ReadonlyMap<string, readonly AppRange[]> | undefined;
  readonly platforms: ReadonlySet<string> | undefined;
  readonly minOs: PlatformVersions | undefined;
  readonly maxOs: PlatformVersions | undefined;
  readonly posture: readonly ClaimTest[];
  readonly minAuthLevel: number;
  readonly methods: ReadonlySet<string> | undefined;
  readonly networks: readonly Network[] | undefined;
  readonly sites: ReadonlySet<string> | undefined;
  readonly times: TimeCondition | undefined;
}

export interface AppRange {
  readonly min: Version | undefined;
  readonly max: Version | undefined;
  readonly blocked: readonly Version[];
  readonly certDigests: ReadonlySet<string> | undefined;
}

/** A bound for every platform, or by platform; then one that is not named does not match. */
export interface PlatformVersions {
  readonly every: Version | undefined;
  readonly byPlatform: ReadonlyMap<string, Version>;
}

export interface ClaimTest {
  readonly name: string;
  /** Undefined when the claim cannot be understood, which counts against the request. */
  readonly test: (value: string | number | boolean) => boolean | undefined;
}

export interface Policy {
  readonly version: number;
  readonly ignorePathCase: boolean;
  readonly resources: readonly Resource[];
  readonly byName: ReadonlyMap<string, Resource>;
  readonly hosts: HostIndex;
  /** What apps must be for their sessions to live, by id; see `appRefusal`. Tried as allow rules are. */
  readonly requirements: ReadonlyMap<string, readonly Rule[]>;
  /** What `appRefusal` came to. */
  readonly refusals: WeakMap<AppContext, GrantReason | 'none'>;
  /** What was worked out for sessions that cannot change; see `outlookOf`. */
  readonly outlooks: WeakMap<SessionFacts, RememberedOutlooks>;
  /** What its rules say of an app, by the app's facts; see `appVerdicts`. */
  readonly apps: Map<string, Map<Resource, Uint8Array>>;
}

export interface RememberedOutlooks {
  readonly app: AppContext | undefined;
  readonly byResource: Map<Resource, Outlook>;
}

/** Resources by where requests find them. */
export interface HostIndex {
  /** By canonical host, and by the name of a resource. */
  readonly exact: ReadonlyMap<string, PathIndex>;
  /** By what follows `*.`. */
  readonly wildcard: ReadonlyMap<string, PathIndex>;
}

export interface PathIndex {
  readonly byPrefix: ReadonlyMap<string, Resource>;
  /** Most segments of any prefix here. */
  readonly depth: number;
}
