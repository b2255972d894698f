/** How long leases last, in milliseconds: longer for proxies of a site whose line to this one may be cut. */
export interface LeaseLengths {
  of(proxy: string): number;
  /** What whoever cannot be reached may still hold. */
  readonly longestMs: number;
}

/**
 * @param usualMs of proxies that stand at no site with a length of its own
 * @param sites as in the configuration of a security pod
 */
export function leaseLengths(
  usualMs: number,
  sites: readonly { readonly proxies: readonly string[]; readonly leaseMs?: number | undefined }[],
): LeaseLengths {
  const own = new Map(
    sites.flatMap(({ proxies, leaseMs }) =>
      leaseMs === undefined ? [] : proxies.map((proxy) => [proxy, leaseMs] as const),
    ),
  );
  return { of: (proxy) => own.get(proxy) ?? usualMs, longestMs: Math.max(usualMs, ...own.values()) };
}
