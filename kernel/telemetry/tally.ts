import type { Attributes } from '@opentelemetry/api';
import { observedCounter } from './metrics.ts';

/**
 * Counts that are kept whether or not telemetry is on, at the price of an addition: for what `sallyport status` and
 * `doctor` are to tell of any mesh (serve-tallies.ts). With telemetry on they are a counter like others.
 */
export interface Tally<K extends string> {
  add(key: K): void;
  read(key: K): number;
}

interface Listed {
  readonly name: string;
  readonly description: string;
  readonly series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly read: () => number;
  }[];
}

const all: Listed[] = [];

/**
 * @param name as OpenTelemetry wants it: `sallyport.decision.located`
 * @param keys each with the labels by which it is told from the others
 */
export function tally<K extends string>(
  name: string,
  options: { readonly description: string; readonly unit: string },
  keys: Readonly<Record<K, Readonly<Record<string, string>>>>,
): Tally<K> {
  const counts = new Map<string, number>(Object.keys(keys).map((key) => [key, 0]));
  const read = (key: string): number => counts.get(key) ?? 0;
  const series = Object.entries<Readonly<Record<string, string>>>(keys).map(([key, labels]) => ({
    labels,
    read: () => read(key),
  }));
  all.push({ name, description: options.description, series });
  observedCounter(name, options, () =>
    series.map((each): [number, Attributes] => [each.read(), { ...each.labels }]),
  );
  return { add: (key) => void counts.set(key, read(key) + 1), read };
}

/** All tallies of this process in Prometheus' text format (version 0.0.4), under the names its exporter gives. */
export function talliesText(): string {
  const lines = all.flatMap(({ name, description, series }) => {
    const plain = `${name.replaceAll('.', '_')}_total`;
    const values = series.map(({ labels, read }) => {
      const text = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
      return `${plain}{${text.join(',')}} ${read()}`;
    });
    return [`# HELP ${plain} ${description}`, `# TYPE ${plain} counter`, ...values];
  });
  return `${lines.join('\n')}\n`;
}
