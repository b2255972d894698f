import { counter, histogram } from '#kernel/telemetry/metrics.ts';

/** What this pod counts. Attributes come from small sets: never a session, a user or a path. */
export const counts = {
  opened: counter('sallyport.session.opened', {
    unit: '{session}',
    description: 'Sessions opened here, by kind and whether the database had confirmed them in time.',
  }),
  found: counter('sallyport.session.found', {
    unit: '{session}',
    description: 'Sessions that this pod did not hold, by where they were found.',
  }),
  revocations: counter('sallyport.feed.entries', {
    unit: '{entry}',
    description: 'Entries of the revocation feed carried out here, by kind.',
  }),
  leases: counter('sallyport.lease.given', { unit: '{lease}', description: 'Leases given or renewed.' }),
  decisions: counter('sallyport.decision', {
    unit: '{decision}',
    description: 'Requests decided here, by reason.',
  }),
} as const;

export const fleetWait = histogram('sallyport.feed.fleet.duration', {
  unit: 's',
  description: 'From the commit of a revocation until it had reached everybody.',
});
