/** What Envoy's configuration is made of, as JSON. Whether a field exists is Envoy's to say: every golden file goes through it. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [field: string]: Json;
}

/** A protobuf Any in JSON: the message's full name, and its fields beside it. */
export type Typed<Message extends string = string> = JsonObject & {
  readonly '@type': `type.googleapis.com/${Message}`;
};
/** A resource that xDS delivers by name. */
export type Named<Message extends string> = Typed<Message> & { readonly name: string };

export type Listener = Named<'envoy.config.listener.v3.Listener'>;
export type Cluster = Named<'envoy.config.cluster.v3.Cluster'>;
export type RouteConfiguration = Named<'envoy.config.route.v3.RouteConfiguration'>;
export type Secret = Named<'envoy.extensions.transport_sockets.tls.v3.Secret'>;
export type Endpoints = Typed<'envoy.config.endpoint.v3.ClusterLoadAssignment'> & {
  readonly cluster_name: string;
};

/** An extension: a filter, a transport socket, a predicate. */
export type Extension = JsonObject & { readonly name: string; readonly typed_config: Typed };

export const typed = <Message extends string>(message: Message, fields: JsonObject = {}): Typed<Message> => ({
  '@type': `type.googleapis.com/${message}`,
  ...fields,
});

export const named = <Message extends string>(
  message: Message,
  name: string,
  fields: JsonObject,
): Named<Message> => ({
  '@type': `type.googleapis.com/${message}`,
  name,
  ...fields,
});

export const extension = (name: string, message: string, fields: JsonObject = {}): Extension => ({
  name,
  typed_config: typed(message, fields),
});

/**
 * A copy in which every field, at any depth, for which `replace` gives a value holds that value; what was
 * given is not looked into.
 */
export function withFields(value: Json, replace: (field: string, value: Json) => Json | undefined): Json {
  if (Array.isArray(value)) {
    const items: readonly Json[] = value;
    return items.map((item) => withFields(item, replace));
  }
  if (!isObject(value)) return value;
  const fields = Object.entries(value as Record<string, Json>);
  return Object.fromEntries(
    fields.map(([field, old]) => [field, replace(field, old) ?? withFields(old, replace)]),
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A header that is set, whatever it was before. */
export const setHeader = (key: string, value: string): JsonObject => ({
  header: { key, value },
  append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
});
