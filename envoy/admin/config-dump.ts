import { isObject, type Json, type JsonObject } from '../model/json.ts';
import { askAdmin } from './ask.ts';

export const dumpTypes = ['listeners', 'clusters', 'routes', 'endpoints', 'secrets', 'bootstrap'] as const;
export type DumpType = (typeof dumpTypes)[number];

/** One resource as a sidecar holds it. */
export interface DumpedResource {
  readonly name: string;
  /** Empty where Envoy does not tell. */
  readonly version: string;
  /** `warming`: it waits for what it needs, and does not serve yet. */
  readonly state: 'active' | 'warming' | 'draining';
  /** ISO 8601; empty where Envoy does not tell. */
  readonly updatedAt: string;
  /** The last update that was refused; empty if none was, or Envoy does not tell. */
  readonly error: string;
  readonly body: JsonObject;
}

export type ConfigDump = Readonly<Record<DumpType, readonly DumpedResource[]>>;

/** Everything that a sidecar was told, by its own word, secrets redacted. @throws as askAdmin; MALFORMED never: unknown parts are left out */
export async function readConfigDump(socketPath: string): Promise<ConfigDump> {
  const text = await askAdmin(socketPath, '/config_dump?include_eds', { timeoutMs: 10_000 });
  return parseConfigDump(JSON.parse(text) as Json);
}

/** Field of the dump's list → state, and the fields that lead to name and body. */
const lists: Readonly<Record<string, { type: DumpType; state: DumpedResource['state']; body: string }>> = {
  static_listeners: { type: 'listeners', state: 'active', body: 'listener' },
  static_clusters: { type: 'clusters', state: 'active', body: 'cluster' },
  dynamic_active_clusters: { type: 'clusters', state: 'active', body: 'cluster' },
  dynamic_warming_clusters: { type: 'clusters', state: 'warming', body: 'cluster' },
  static_route_configs: { type: 'routes', state: 'active', body: 'route_config' },
  dynamic_route_configs: { type: 'routes', state: 'active', body: 'route_config' },
  static_endpoint_configs: { type: 'endpoints', state: 'active', body: 'endpoint_config' },
  dynamic_endpoint_configs: { type: 'endpoints', state: 'active', body: 'endpoint_config' },
  static_secrets: { type: 'secrets', state: 'active', body: 'secret' },
  dynamic_active_secrets: { type: 'secrets', state: 'active', body: 'secret' },
  dynamic_warming_secrets: { type: 'secrets', state: 'warming', body: 'secret' },
};

export function parseConfigDump(dump: Json): ConfigDump {
  const found: Record<DumpType, DumpedResource[]> = {
    listeners: [],
    clusters: [],
    routes: [],
    endpoints: [],
    secrets: [],
    bootstrap: [],
  };
  for (const section of objects(isObject(dump) ? (dump as JsonObject).configs : undefined)) {
    if (isObject(section.bootstrap))
      found.bootstrap.push(resource(section, section.bootstrap as JsonObject, 'active', 'bootstrap'));
    for (const [field, { type, state, body }] of Object.entries(lists))
      for (const entry of objects(section[field]))
        if (isObject(entry[body])) found[type].push(resource(entry, entry[body] as JsonObject, state));
    for (const entry of objects(section.dynamic_listeners)) found.listeners.push(...listenerStates(entry));
  }
  return found;
}

/** A listener may be there three times: as it serves, as it will, and as it drains. */
function listenerStates(entry: JsonObject): DumpedResource[] {
  return (['active', 'warming', 'draining'] as const).flatMap((state) => {
    const held = entry[`${state}_state`];
    if (!isObject(held) || !isObject(held.listener)) return [];
    const error = isObject(entry.error_state) ? entry.error_state : {};
    return [
      {
        ...resource(
          { ...(held as JsonObject), error_state: error as JsonObject },
          held.listener as JsonObject,
          state,
        ),
      },
    ];
  });
}

function resource(
  entry: JsonObject,
  body: JsonObject,
  state: DumpedResource['state'],
  name = text(body.name) || text(body.cluster_name) || text(entry.name),
): DumpedResource {
  const error = isObject(entry.error_state) ? text((entry.error_state as JsonObject).details) : '';
  return {
    name,
    version: text(entry.version_info),
    state,
    updatedAt: text(entry.last_updated),
    error,
    body: redacted(body) as JsonObject,
  };
}

/** Fields that hold a secret wherever they stand. Envoy hides them itself; a patched-in key must not depend on it. */
const secretFields: ReadonlySet<string> = new Set(['private_key', 'password', 'keys', 'generic_secret']);

function redacted(value: Json): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map(redacted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value as Record<string, Json>).map(([field, inner]) => [
      field,
      secretFields.has(field) ? '[redacted]' : redacted(inner),
    ]),
  );
}

const objects = (value: Json | undefined): JsonObject[] =>
  (Array.isArray(value) ? (value as readonly Json[]) : []).filter((each): each is JsonObject =>
    isObject(each),
  );
const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');
