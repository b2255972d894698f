import type { XdsType } from '#compose/topology/paths.ts';
import type { Stats } from './stats.ts';

/** What a sidecar says of one of its sources of configuration. */
export interface Subscription {
  readonly type: XdsType;
  /** The resource's name; `cds` and `lds` for the lists of clusters and listeners. */
  readonly resource: string;
  /** Version of what it runs with; empty if it has never taken any. */
  readonly version: string;
  readonly taken: number;
  /** Updates that were understood but refused, and those that could not be read. */
  readonly rejected: number;
  readonly failed: number;
  /** When it last took one, in ms since 1970; 0 for never. */
  readonly takenAt: number;
}

/** The statistics that {@link subscriptionsIn} wants, as a filter for readStats. */
export const subscriptionStats =
  '\\.(version_text|update_success|update_rejected|update_failure|update_time)$';

const suffix = '.version_text';

/** The subscriptions of a sidecar, in the order of its statistics. */
export function subscriptionsIn({ numbers, texts }: Stats): Subscription[] {
  return [...texts].flatMap(([name, version]) => {
    if (!name.endsWith(suffix)) return [];
    const scope = name.slice(0, -suffix.length);
    const what = subscriptionOf(scope);
    if (what === undefined) return [];
    const number = (field: string): number => numbers.get(`${scope}.${field}`) ?? 0;
    return [
      {
        ...what,
        version,
        taken: number('update_success'),
        rejected: number('update_rejected'),
        failed: number('update_failure'),
        takenAt: number('update_time'),
      },
    ];
  });
}

function subscriptionOf(scope: string): { type: XdsType; resource: string } | undefined {
  if (scope === 'cluster_manager.cds') return { type: 'cds', resource: 'cds' };
  if (scope === 'listener_manager.lds') return { type: 'lds', resource: 'lds' };
  const routes = /^http\.[^.]+\.rds\.(.+)$/.exec(scope)?.[1];
  if (routes !== undefined) return { type: 'rds', resource: routes };
  const secret = /^sds\.(.+)$/.exec(scope)?.[1];
  if (secret !== undefined) return { type: 'sds', resource: secret };
  const endpoints = /^cluster\.(.+)$/.exec(scope)?.[1];
  if (endpoints !== undefined) return { type: 'eds', resource: endpoints };
  return undefined;
}
