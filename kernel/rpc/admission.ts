import { SallyportError } from '#core/errors/error.ts';

export interface AdmissionLimits {
  /** Unary calls in flight; default 1024. */
  readonly maxCalls?: number;
  /** Streams open at a time, of all kinds; default 4096. */
  readonly maxStreams?: number;
  /** Told to whoever is refused, in RetryInfo; milliseconds, default 250. */
  readonly retryAfterMs?: number;
}

/** Bounds what a process holds at a time. May be shared by several servers of one process. */
export interface Admission {
  /**
   * Takes a place, or refuses the newcomer: work that has begun is worth more than work that has not.
   * The function it gives back frees the place (once, however often it is called).
   * @throws SallyportError OVERLOADED
   */
  enter(kind: 'call' | 'stream'): () => void;
  /**
   * The error for a call that has just arrived, if there is no room for it and the `waiting` ones before it; counts it
   * as refused. For a server that can refuse at less cost than {@link enter} would.
   */
  refusal(waiting: number): SallyportError | undefined;
  /** Places taken now. */
  readonly inFlight: { readonly call: number; readonly stream: number };
  /** How many were refused since the start. */
  readonly refused: number;
}

export function createAdmission(limits: AdmissionLimits = {}): Admission {
  const max = { call: limits.maxCalls ?? 1024, stream: limits.maxStreams ?? 4096 };
  const inFlight = { call: 0, stream: 0 };
  let refused = 0;
  // One for all: in a flood, making an error with its stack costs more than the rest of the refusal.
  const errorFor = (kind: 'call' | 'stream'): SallyportError =>
    new SallyportError('OVERLOADED', {
      message: `this pod holds ${max[kind]} ${kind}s already, as many as it may`,
      retryAfterMs: limits.retryAfterMs ?? 250,
    });
  const errors = { call: errorFor('call'), stream: errorFor('stream') };
  const refuse = (kind: 'call' | 'stream'): SallyportError => {
    refused++;
    return errors[kind];
  };
  return {
    refusal: (waiting) => (inFlight.call + waiting >= max.call ? refuse('call') : undefined),
    enter: (kind) => {
      if (inFlight[kind] >= max[kind]) throw refuse(kind);
      inFlight[kind]++;
      let inside = true;
      return () => {
        if (inside) inFlight[kind]--;
        inside = false;
      };
    },
    inFlight,
    get refused() {
      return refused;
    },
  };
}
