import { type Attributes, type Counter, type Histogram, metrics } from '@opentelemetry/api';

/**
 * Instruments that may be made at any time, also before telemetry starts or when it never does: the API's
 * own stay without effect for ever when they are made too early. Names as OpenTelemetry wants them:
 * `sallyport.session.opened`, units in UCUM (`s`, `By`, `{session}`).
 */
export interface InstrumentOptions {
  description: string;
  /** UCUM; for counts the thing that is counted, in braces: `{session}`. */
  unit: string;
}

/** Attribute values must come from a small set: never a session, a user or a path. */
export interface CounterHandle {
  /** Adds `value` (default 1, at least 0). */
  add(value?: number, attributes?: Attributes): void;
}

export interface HistogramHandle {
  record(value: number, attributes?: Attributes): void;
}

const scope = 'sallyport';

/** From half a millisecond to ten seconds, in seconds. */
const durationBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

type Reading = readonly [value: number, attributes: Attributes];

interface Observed {
  readonly kind: 'gauge' | 'counter';
  readonly name: string;
  readonly options: InstrumentOptions;
  readonly read: () => readonly Reading[];
}

let generation = 0;
const observed = new Set<Observed>();

export function counter(name: string, options: InstrumentOptions): CounterHandle {
  const get = perGeneration((): Counter => metrics.getMeter(scope).createCounter(name, options));
  return { add: (value = 1, attributes) => get().add(value, attributes) };
}

/** A distribution; by default with buckets for durations in seconds. */
export function histogram(
  name: string,
  options: InstrumentOptions & { buckets?: readonly number[] },
): HistogramHandle {
  const { buckets = durationBuckets, ...rest } = options;
  const advice = { explicitBucketBoundaries: [...buckets] };
  const get = perGeneration(
    (): Histogram => metrics.getMeter(scope).createHistogram(name, { ...rest, advice }),
  );
  return { record: (value, attributes) => get().record(value, attributes) };
}

/** A value that is read whenever metrics are collected. Returns the way to end that; the last value stays shown. */
export function gauge(name: string, options: InstrumentOptions, read: () => number): () => void {
  const made: Observed = { kind: 'gauge', name, options, read: () => [[read(), {}]] };
  observed.add(made);
  observe(made);
  return () => void observed.delete(made);
}

/** Counts that are kept elsewhere (tally.ts), and read whenever metrics are collected. They only rise. */
export function observedCounter(
  name: string,
  options: InstrumentOptions,
  read: () => readonly Reading[],
): void {
  const made: Observed = { kind: 'counter', name, options, read };
  observed.add(made);
  observe(made);
}

/** Binds all instruments to the meter provider that is registered now. */
export function rebindInstruments(): void {
  generation++;
  for (const each of observed) observe(each);
}

function perGeneration<T>(make: () => T): () => T {
  let held: { of: number; instrument: T } | undefined;
  return () => {
    if (held?.of !== generation) held = { of: generation, instrument: make() };
    return held.instrument;
  };
}

function observe(made: Observed): void {
  const bound = generation;
  const meter = metrics.getMeter(scope);
  const instrument =
    made.kind === 'gauge'
      ? meter.createObservableGauge(made.name, made.options)
      : meter.createObservableCounter(made.name, made.options);
  instrument.addCallback((result) => {
    if (!observed.has(made) || bound !== generation) return;
    for (const [value, attributes] of made.read()) result.observe(value, attributes);
  });
}
