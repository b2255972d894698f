import { z } from 'zod';

/** What a process has done lately that it should not: it ended by itself, or does not answer. */
export const trouble = z.object({
  /** `gw-hr-0 process` */
  name: z.string(),
  ended: z
    .object({
      /** How often in a row: it has not been up for half a minute since the last time. */
      times: z.int(),
      /** `SIGKILL`, `exit code 1`, or why it could not be started. */
      how: z.string(),
      /** When, in ms since 1970. */
      atMs: z.number(),
      /** When it is started again; undefined: it has been. */
      againAtMs: z.number().optional(),
    })
    .optional(),
  /** Questions in a row that it has not answered. */
  missed: z.int().optional(),
});
export type Trouble = z.infer<typeof trouble>;
export type Ended = NonNullable<Trouble['ended']>;

/** Questions in a row without an answer until a process counts as hung; one a second. */
export const misses = 8;

/** One late answer is no news. */
const leastMissed = 2;

/** What is to be told of processes now. @param missed questions without an answer, by pod */
export function troublesOf(
  running: ReadonlyMap<string, { readonly ended: Ended | undefined }>,
  missed: ReadonlyMap<string, number>,
): Trouble[] {
  return [...running].flatMap(([name, { ended }]) => {
    const silent = missed.get(name.replace(/ process$/, '')) ?? 0;
    if (ended === undefined && silent < leastMissed) return [];
    return [{ name, ...(ended && { ended }), ...(silent >= leastMissed && { missed: silent }) }];
  });
}

/** Milliseconds after which one that is up again is no news any more. */
const newsMs = 60_000;

/** What is still to be told of what was noted. */
export const lately = (noted: readonly Trouble[] = [], nowMs: number): Trouble[] =>
  noted.filter((each) => isAway(each) || nowMs - (each.ended?.atMs ?? 0) < newsMs);

/** The process is away, or as good as that. */
export const isAway = ({ ended, missed }: Trouble): boolean =>
  missed !== undefined || ended?.againAtMs !== undefined;

/** In words, without its name. */
export function wordsOfTrouble({ ended, missed }: Trouble, nowMs: number): string {
  const seconds = (ms: number): string => `${Math.max(0, ms / 1000).toFixed(1)} s`;
  if (missed !== undefined) {
    return `hangs: it has not answered ${missed} times; after ${misses} it is killed and started again`;
  }
  if (ended === undefined) return '';
  const { times, how, atMs, againAtMs } = ended;
  const often = times === 1 ? '' : `, ${times} times in a row`;
  return againAtMs === undefined
    ? `ended (${how})${often}; started again ${seconds(nowMs - atMs)} ago`
    : `ended (${how})${often}; is started again in ${seconds(againAtMs - nowMs)}`;
}
