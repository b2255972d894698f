import type { XdsType } from '#compose/topology/paths.ts';

/** An update that an Envoy did not take, as its log tells. */
export interface Refusal {
  /** Undefined when the log does not tell. */
  readonly type: XdsType | undefined;
  /** Name of the resource, or its place among those of its type; undefined when the log does not tell. */
  readonly resource: string | number | undefined;
  readonly reason: string;
}

/** What a message has in it when it is about a type. */
const marks: readonly (readonly [RegExp, XdsType])[] = [
  [/listener\(s\)|config\.listener\.v3\.Listener\b/, 'lds'],
  [/cluster\(s\)|config\.cluster\.v3\.Cluster\b/, 'cds'],
  [/ClusterLoadAssignment|endpoint\.v3/, 'eds'],
  [/RouteConfiguration|^route: |virtual host|\broute entr/i, 'rds'],
  [/tls\.v3\.Secret\b|SDS secret|private key|certificate/i, 'sds'],
];
const maxReason = 600;

/**
 * The refusals in an Envoy's log, oldest first, each once. Of a rejected list of clusters or listeners the
 * lines that name the one at fault count, not the one that sums them up.
 */
export function refusalsIn(log: string): Refusal[] {
  const found = new Map<string, Refusal>();
  const add = (refusal: Refusal): void => {
    const { type, resource, reason } = refusal;
    const key = `${type} ${resource} ${reason}`;
    if (!found.has(key)) found.set(key, refusal);
  };
  for (const entry of entriesOf(log)) {
    const named = /\b(lds|cds|sds): (?:listener|cluster|secret) '([^']+)' config rejected: (.*)/s.exec(entry);
    if (named !== null) {
      add({ type: named[1] as XdsType, resource: named[2], reason: tidy(named[3] ?? '') });
      continue;
    }
    const failed =
      /Filesystem config update failure: in \S+\/(lds|cds|eds|rds|sds)\/([^/\s]+)\.json, (.*)/s.exec(entry);
    if (failed !== null) {
      const type = failed[1] as XdsType;
      const alone = type !== 'lds' && type !== 'cds';
      add({ type, resource: alone ? failed[2] : undefined, reason: tidy(failed[3] ?? '') });
      continue;
    }
    const [, reason] = /Filesystem config update rejected: (.*)/s.exec(entry) ?? [];
    if (reason === undefined || /^Error adding\/updating/.test(reason)) continue;
    const tidied = tidy(reason);
    // A refused secret or cluster has been named in a line of its own, with the same words.
    if ([...found.values()].some((each) => each.reason === tidied)) continue;
    const type = marks.find(([mark]) => mark.test(reason))?.[1];
    const place = /@\s+resources\[(\d+)\]/.exec(reason)?.[1];
    add({ type, resource: place === undefined ? undefined : Number(place), reason: tidied });
  }
  return [...found.values()];
}

/** An entry begins with a time in brackets; what follows without one belongs to it. */
const entriesOf = (log: string): string[] => log.split(/\n(?=\[\d{4}-\d\d-\d\d )/);

/**
 * What Envoy says, in one line, without the file's content, which it quotes when it cannot be parsed: that may
 * be a key. Of its two wrappings of an unknown field the field and its message are kept.
 */
export function tidy(reason: string): string {
  const [head = ''] = reason.split(/: \{\n/);
  const line = head
    .replaceAll(/goo\.gle\/debug(?:str|only|proto)\s*/g, '')
    .replaceAll(/\s+/g, ' ')
    .replace(/^error initializing configuration '[^']*': /, '')
    .trim();
  const unknown =
    /in (\S+?),? ?(?:@ (\S+): message (\S+), )?near [^:]*:\d+ \(offset \d+\): (no such field: '[^']*')/.exec(
      line,
    );
  if (unknown !== null) return `${unknown[4]} in ${unknown[3] ?? unknown[1]}`;
  return line.length > maxReason ? `${line.slice(0, maxReason)}…` : line;
}

/** In which an Envoy takes resources, and so in which a refusal causes another. */
export const causalOrder: readonly XdsType[] = ['sds', 'eds', 'cds', 'rds', 'lds'];
