import { type Json, type JsonObject, withFields } from '../model/json.ts';
import type { RenderedResource } from './render.ts';

type Resources = readonly RenderedResource[];

/** The resources of a sidecar by kind. */
export interface ResourceSet {
  readonly endpoints: Resources;
  readonly routes: Resources;
  readonly clusters: Resources;
  readonly listeners: Resources;
}

/**
 * Puts endpoints into the clusters, and routes into the listeners, that do not read them from files of their
 * own; `endpoints` and `routes` of the result are those that are read. docs/adr/0001 says why they are few.
 */
export function joinInline(set: ResourceSet): ResourceSet {
  const endpoints = new Pool('endpoints', set.endpoints);
  const routes = new Pool('routes', set.routes);
  const clusters = set.clusters.map(({ name, body }) => ({
    name,
    body:
      body.type === 'EDS' || body.load_assignment !== undefined
        ? body
        : { ...body, load_assignment: endpoints.take(name) },
  }));
  const listeners = set.listeners.map(({ name, body }) => ({
    name,
    body: withFields(body, (field, value) =>
      field === 'route_config' ? routes.take(nameOf(value)) : undefined,
    ) as JsonObject,
  }));
  return { clusters, listeners, endpoints: endpoints.left(), routes: routes.left() };
}

const nameOf = (value: Json): string => String((value as JsonObject).name);

/** Resources of one kind, and which of them have found their place. */
class Pool {
  readonly #what: string;
  readonly #resources: Resources;
  readonly #taken = new Set<string>();

  constructor(what: string, resources: Resources) {
    this.#what = what;
    this.#resources = resources;
  }

  /** The fields of a resource; several may take the same. */
  take(name: string): JsonObject {
    const found = this.#resources.find((resource) => resource.name === name);
    if (found === undefined) throw new Error(`no builder gives the ${this.#what} of ${name}`);
    this.#taken.add(name);
    // A field of a known type has no type of its own.
    const { '@type': _, ...fields } = found.body;
    return fields;
  }

  left(): Resources {
    return this.#resources.filter((resource) => !this.#taken.has(resource.name));
  }
}
