import { tally } from '#kernel/telemetry/tally.ts';

/** How somebody came to ask about a session by route: for a decision, or for an attachment. */
export type Asked = 'unary' | 'attach';

/**
 * Whether decisions arrive where their sessions are: what sticky routing is for. `held` by the pod at which the
 * question arrived; `moved`, since another pod has handed it over; `loaded` from the database; on a stream only,
 * `not_held`, and the question is then asked by route. The proxies' leased ones are counted there.
 */
export const located = tally(
  'sallyport.decision.located',
  {
    unit: '{decision}',
    description: 'Decisions by how they were asked for and where the session was found.',
  },
  {
    'streamed held': { how: 'streamed', at: 'held' },
    'streamed not_held': { how: 'streamed', at: 'not_held' },
    'unary held': { how: 'unary', at: 'held' },
    'unary moved': { how: 'unary', at: 'moved' },
    'unary loaded': { how: 'unary', at: 'loaded' },
    'attach held': { how: 'attach', at: 'held' },
    'attach moved': { how: 'attach', at: 'moved' },
    'attach loaded': { how: 'attach', at: 'loaded' },
  },
);
