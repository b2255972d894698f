import type { AuthorizeResponse } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { AuthorizeStream, type AuthorizeStreamDeps, type Question } from './authorize-stream.ts';
import { counts } from './metrics.ts';

export interface AuthorizeStreamsDeps extends AuthorizeStreamDeps {
  /** Security pods at first; others than these are asked by route only. */
  readonly pods: readonly string[];
}

/**
 * Questions to the pods that are known to hold a session, one stream to each. A stream never decides that
 * something is over: whatever it does not answer with a grant is asked by route, and the owner's word counts.
 */
export class AuthorizeStreams {
  readonly #deps: AuthorizeStreamDeps;
  readonly #streams = new Map<string, AuthorizeStream>();

  constructor({ pods, ...deps }: AuthorizeStreamsDeps) {
    this.#deps = deps;
    this.setPods(pods);
  }

  /** From now on these pods are asked. Questions to a pod that has gone are asked by route. */
  setPods(pods: readonly string[]): void {
    for (const pod of pods) {
      if (!this.#streams.has(pod)) this.#streams.set(pod, new AuthorizeStream(pod, this.#deps));
    }
    for (const [pod, stream] of this.#streams) {
      if (pods.includes(pod)) continue;
      this.#streams.delete(pod);
      void stream.close();
    }
  }

  /** The pod's answer; undefined: ask by route. Never rejects, and ends with the signal. */
  async ask(pod: string, question: Question, signal: AbortSignal): Promise<AuthorizeResponse | undefined> {
    const outcome = await this.#streams.get(pod)?.ask(question, signal);
    counts.streamed.add(1, { outcome: outcome?.kind ?? 'none' });
    return outcome?.kind === 'answered' ? outcome.response : undefined;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#streams.values()].map((stream) => stream.close()));
  }
}
