/** The policy document as administrators write it, in YAML or JSON. */
import { z } from 'zod';
import * as field from './fields.ts';
import { weekDays } from './time-window.ts';

export const limits = Object.freeze({ resources: 2000, rules: 20_000, names: 5000, conditions: 100 });

const names = (item: typeof field.label) => z.array(item).min(1).max(limits.names);
const some = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(limits.conditions);

const app = z.strictObject({
  /** App id, for example `com.example.field`. */
  id: field.label,
  /** Both inclusive. A pre-release comes before its release. */
  minVersion: field.version.optional(),
  maxVersion: field.version.optional(),
  /** Allow rules only: versions with a known fault. */
  blockedVersions: some(field.version).optional(),
  /** SHA-256 of the signing certificates that the app may bear; without them any. */
  certDigests: some(field.certDigest).optional(),
});

/** One version for all platforms, or one for each: `{ios: "17", android: "14"}`. */
const perPlatform = z.union([field.version, z.record(field.platform, field.version)], {
  error: 'is neither a version nor a version for each platform, as {ios: "17", android: "14"}',
});

const scalar = z.union([z.string().max(256), z.number(), z.boolean()]);
const claim = z.union(
  [
    scalar,
    /** Inclusive. Numbers compare by value, texts as versions. */
    z.strictObject({
      min: z.union([z.number(), field.version]).optional(),
      max: z.union([z.number(), field.version]).optional(),
    }),
    z.strictObject({ oneOf: some(scalar) }),
  ],
  { error: 'is none of: a value, {min, max}, {oneOf: [values]}' },
);

const window = z.strictObject({
  days: field.days.default([...weekDays]),
  from: field.timeOfDay.default('00:00'),
  to: field.timeOfDay.default('24:00'),
  tz: field.timeZone.default('UTC'),
});

/**
 * All conditions of a rule must hold; in a list it is enough that one entry does. Whatever is not known
 * (a claim not made, a version that cannot be read, an address nobody saw) counts against the request:
 * it fails an allow rule and matches a deny rule.
 */
const rule = z.strictObject({
  name: field.label,
  effect: z.enum(['allow', 'deny']).default('allow'),
  /** Any of the groups or of the users; `"*"` is everybody. Only a deny rule may leave out both. */
  groups: names(field.label).optional(),
  users: names(field.label).optional(),
  apps: some(app).optional(),
  platforms: some(field.platform).optional(),
  minOsVersion: perPlatform.optional(),
  maxOsVersion: perPlatform.optional(),
  posture: z.record(z.string().min(1).max(64), claim).optional(),
  /** Lowest level of authentication, 0–9; with a lower one the answer is STEP_UP. Allow rules only. */
  minAuthLevel: z.int().min(0).max(9).optional(),
  methods: some(field.method).optional(),
  /** Networks that the phone is in, as the edge sees it. */
  networks: some(field.network).optional(),
  /** Sites whose proxy is asked; where there is one only, it has no name. */
  sites: some(field.clusterName).optional(),
  times: z
    .union([window.transform((one) => [one]), some(window)], {
      error: 'is neither {days, from, to, tz} nor a list of such windows',
    })
    .optional(),
});

/**
 * What an app must be for its sessions to live, whatever they reach: looked at when one is opened and on each
 * request. Of several entries for one id one is enough. Apps without an entry are not concerned.
 */
const requirement = app.extend({
  platforms: some(field.platform).optional(),
  minOsVersion: perPlatform.optional(),
  maxOsVersion: perPlatform.optional(),
  posture: z.record(z.string().min(1).max(64), claim).optional(),
});

const resource = z.strictObject({
  name: field.resourceName,
  /** The cluster that serves it. */
  backend: field.clusterName,
  /** The phone asks for these; without hosts it asks for the name of the resource instead. */
  hosts: z.array(field.host).max(limits.conditions).default([]),
  /** Whole segments: /payroll covers /payroll and /payroll/2026, not /payroll2. The longest one wins. */
  pathPrefix: field.pathPrefix.default('/'),
  methods: z
    .union([z.literal('*'), some(field.method)], { error: 'is neither "*" nor a list of methods' })
    .default('*'),
  /** Reached through the gateways of this group. */
  gatewayGroup: field.clusterName.optional(),
  /** Served at this site. */
  site: field.clusterName.optional(),
  /** `aud` of the identity assertion; the name of the resource if absent. */
  assertion: z.strictObject({ audience: field.label }).optional(),
  /** Keep the password for this backend, in memory only. */
  sendPassword: z.boolean().default(false),
  limits: z
    .strictObject({
      maxBodyBytes: z
        .int()
        .min(0)
        .max(2 ** 40)
        .optional(),
    })
    .optional(),
  rules: z.array(rule).max(limits.rules).default([]),
});

export const policySchema = z.strictObject({
  /** Set by the store; what is written here does not count. */
  version: z.int().min(0).optional(),
  /** For servers that do not tell /Payroll from /payroll (Windows). Prefixes are compared likewise. */
  ignorePathCase: z.boolean().default(false),
  apps: z.array(requirement).max(limits.conditions).optional(),
  resources: z.array(resource).max(limits.resources),
});

/** What `parsePolicy` returns: checked, defaults filled in; itself a valid document. */
export type PolicyDocument = z.output<typeof policySchema>;
export type ResourceDocument = PolicyDocument['resources'][number];
export type RuleDocument = ResourceDocument['rules'][number];
export type AppDocument = NonNullable<RuleDocument['apps']>[number];
export type ClaimDocument = NonNullable<RuleDocument['posture']>[string];
