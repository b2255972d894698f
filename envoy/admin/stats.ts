import { askAdmin } from './ask.ts';

/** A sidecar's counters and gauges, and its text readouts, by name. */
export interface Stats {
  readonly numbers: ReadonlyMap<string, number>;
  readonly texts: ReadonlyMap<string, string>;
}

/**
 * Reads the statistics whose names a regular expression (RE2) matches; all without one. Histograms are left out.
 * @throws as askAdmin
 */
export async function readStats(socketPath: string, filter?: string): Promise<Stats> {
  const query = filter === undefined ? '' : `?filter=${encodeURIComponent(filter)}`;
  return parseStats(await askAdmin(socketPath, `/stats${query}`));
}

/** The text of `/stats`: `name: 5` or `name: "text"`, a line each. */
export function parseStats(text: string): Stats {
  const numbers = new Map<string, number>();
  const texts = new Map<string, string>();
  for (const line of text.split('\n')) {
    const readout = /^(.+?): "(.*)"$/.exec(line);
    if (readout !== null) {
      texts.set(readout[1] ?? '', readout[2] ?? '');
      continue;
    }
    const at = line.lastIndexOf(': ');
    const value = Number(line.slice(at + 2));
    if (at > 0 && !Number.isNaN(value)) numbers.set(line.slice(0, at), value);
  }
  return { numbers, texts };
}

/** How many updates of its configuration a sidecar has refused since it was started, by subscription. */
export async function rejectedUpdates(socketPath: string): Promise<Readonly<Record<string, number>>> {
  const { numbers } = await readStats(socketPath, '\\.update_rejected$');
  return Object.fromEntries(
    [...numbers]
      .filter(([, times]) => times > 0)
      .map(([name, times]) => [name.replace(/\.update_rejected$/, ''), times]),
  );
}
