/** Rows of a page whose caller names no size. */
const defaultSize = 100;

/**
 * One page of a list: one row more than asked for is read, which tells whether another page follows.
 * @param pageSize of the request; 0: 100
 * @param read gives the first `limit` rows after the end of the page before
 * @param tokenOf what the next page is asked for with, from the last row of this one
 */
export async function readPage<R>(
  pageSize: number,
  read: (limit: number) => Promise<readonly R[]>,
  tokenOf: (last: R) => string,
): Promise<{ readonly rows: readonly R[]; readonly nextPageToken: string }> {
  const size = pageSize === 0 ? defaultSize : pageSize;
  const found = await read(size + 1);
  const rows = found.slice(0, size);
  const last = rows.at(-1);
  return { rows, nextPageToken: found.length > size && last !== undefined ? tokenOf(last) : '' };
}
