import { Agent, request as send } from 'undici';
import type { Json } from '../engine/json.ts';
import type { Connector } from './connector.ts';
import { refused, silent, unreachable, wasSent } from './target-errors.ts';

export interface HookCall {
  /** Name of the hook among the targets. */
  readonly target: string;
  /** What is POSTed; at most 256 KiB as JSON. */
  readonly body: Json;
}

/** What a hook says: its status, and its body if that is JSON of at most 64 KiB. */
export type HookAnswer = { readonly status: number; readonly body: Json };

export interface Hook {
  readonly url: string;
  readonly token: string | undefined;
  /** It answers a repeated key as before. */
  readonly deduplicates: boolean;
  readonly timeoutMs: number;
  readonly ca: string | undefined;
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

const maxBodyBytes = 262_144;
const maxAnswerBytes = 65_536;
/** Not handled, and said so: RFC 9110 section 15.5 and 15.6, RFC 6585. */
export const notHandled: readonly number[] = [425, 429, 503];
/** It may have been handled, or is just being: 409 of a key that is in use (draft-ietf-httpapi-idempotency-key-header). */
export const perhapsHandled: readonly number[] = [408, 409, 500, 502, 504];

/** A POST of JSON with the step's token as Idempotency-Key. Redirects are not followed. */
export function httpHook(
  hookOf: (target: string) => Hook,
): Connector<HookCall, HookAnswer> & { close(): Promise<void> } {
  const agents = new Map<string, Agent>();
  const agentOf = (target: string, { timeoutMs, ca }: Hook): Agent => {
    const agent =
      agents.get(target) ??
      new Agent({
        connections: 16,
        connect: { timeout: timeoutMs, ...(ca !== undefined && { ca }) },
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        maxResponseSize: maxAnswerBytes,
      });
    agents.set(target, agent);
    return agent;
  };

  const post = async (
    target: string,
    hook: Hook,
    text: string,
    key: string,
    signal: AbortSignal,
  ): Promise<HookAnswer> => {
    let answer: Awaited<ReturnType<typeof send>>;
    let said: string;
    try {
      answer = await send(hook.url, {
        method: 'POST',
        // A string by RFC 9651, as the draft wants it.
        headers: {
          'content-type': 'application/json',
          'idempotency-key': `"${key}"`,
          ...(hook.token !== undefined && { authorization: `Bearer ${hook.token}` }),
        },
        body: text,
        dispatcher: agentOf(target, hook),
        signal,
      });
      said = await answer.body.text();
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw wasSent(error) ? silent(target, error) : unreachable(target, error);
    }
    const { statusCode: status, headers } = answer;
    if (status >= 200 && status < 300) return { status, body: jsonOf(headers['content-type'], said) };
    const words = `it answered ${status}`;
    if (notHandled.includes(status)) throw unreachable(target, words, retryAfterMs(headers['retry-after']));
    throw perhapsHandled.includes(status) ? silent(target, words) : refused(target, words);
  };

  return {
    name: 'http-hook',
    deduplicates: ({ target }) => (hookOf(target).deduplicates ? 'token' : 'once'),
    act: async ({ target, body }, { token, signal }) => {
      const hook = hookOf(target);
      const text = JSON.stringify(body);
      if (Buffer.byteLength(text) > maxBodyBytes) throw refused(target, `more than ${maxBodyBytes} bytes`);
      return hook.run(() => post(target, hook, text, token, signal), signal);
    },
    close: async () => {
      await Promise.all([...agents.values()].map((agent) => agent.destroy()));
    },
  };
}

/** @returns null for what is not JSON */
function jsonOf(type: string | string[] | undefined, text: string): Json {
  if (!/^application\/([\w.-]+\+)?json\b/.test(String(type))) return null;
  try {
    return JSON.parse(text) as Json;
  } catch {
    // The hook has been called; what it says in vain does not change that.
    return null;
  }
}

/** Of seconds; a date is not taken for one. At most an hour. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const seconds = /^\d{1,9}$/.test(String(header)) ? Number(header) : undefined;
  return seconds === undefined ? undefined : Math.min(seconds, 3600) * 1000;
}
