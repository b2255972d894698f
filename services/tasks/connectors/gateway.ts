import type { MessageInitShape } from '@bufbuild/protobuf';
import { SallyportError } from '#core/errors/error.ts';
import { idempotentMethods } from '#core/http/idempotent-methods.ts';
import {
  Gateway,
  type InvokeResponse,
  type InvokeStartSchema,
  LdapChangeKind,
  LdapScope,
} from '#gen/sallyport/gateway/v1/gateway_pb.js';
import { askElsewhere } from '#kernel/gateway/ask-elsewhere.ts';
import { lostGateway } from '#kernel/gateway/lost-gateway.ts';
import { createGrpcClient, type GrpcClientOptions } from '#kernel/rpc/grpc-client.ts';
import { podHeader } from '#kernel/rpc/pod-header.ts';
import type { Connector, Deduplication } from './connector.ts';
import { notHandled, perhapsHandled } from './http-hook.ts';
import { refused, silent, unreachable } from './target-errors.ts';

/** What is to be done at a target, by its kind. */
export type GatewayAct =
  | {
      readonly http: {
        readonly method: string;
        readonly path: string;
        readonly headers?: Readonly<Record<string, string>>;
      };
    }
  /** The parameters of its command line. */
  | { readonly command: Readonly<Record<string, string>> }
  | { readonly tcp: true }
  | {
      readonly search: {
        readonly base: string;
        readonly filter?: string;
        readonly attributes?: readonly string[];
        readonly limit?: number;
      };
    }
  | { readonly compare: { readonly dn: string; readonly attribute: string; readonly value: string } }
  | {
      readonly replace: {
        readonly dn: string;
        readonly attribute: string;
        readonly values: readonly string[];
      };
    };

/** One thing that is done through a gateway. */
export interface GatewayCall {
  readonly group: string;
  /** A target of it, as gateways.yaml names it. */
  readonly target: string;
  readonly act: GatewayAct;
  /** Body, or what a command reads; at most 1 MiB. */
  readonly input?: string;
  /**
   * `key`: the target knows an Idempotency-Key again; `yes`: doing it twice is as doing it once. By default only what is
   * so by its nature is repeated: reading, replacing, idempotent methods.
   */
  readonly repeatable?: 'yes' | 'key';
}

/** What came of it; text is UTF-8. At most 1 MiB and 1,000 entries. */
export type GatewayAnswer = {
  readonly gateway: string;
  /** Of HTTP. */
  readonly status: number;
  /** Of a command. */
  readonly exitCode: number;
  /** Of a comparison. */
  readonly matched: boolean;
  readonly output: string;
  readonly errorOutput: string;
  readonly entries: readonly {
    readonly dn: string;
    readonly attributes: Readonly<Record<string, readonly string[]>>;
  }[];
  /** There are more entries. */
  readonly truncated: boolean;
};

export interface GatewayCallsOptions {
  /** The worker's sidecar. */
  readonly out: GrpcClientOptions;
  /** Gateways of a group; empty for one that there is none of. */
  readonly gatewaysOf: (group: string) => readonly string[];
}

/** What only gateways reach, for steps of tasks. A group's calls go to one gateway of it, until that one is lost. */
export function gatewayCalls({
  out,
  gatewaysOf,
}: GatewayCallsOptions): Connector<GatewayCall, GatewayAnswer> & { close(): Promise<void> } {
  const client = createGrpcClient(Gateway, out);
  const used = new Map<string, string>();

  const act = async (call: GatewayCall, token: string, signal: AbortSignal): Promise<GatewayAnswer> => {
    const { group, target, input = '' } = call;
    const all = gatewaysOf(group);
    const first = Math.max(0, all.indexOf(used.get(group) ?? ''));
    const begin = all[first];
    if (begin === undefined) throw unreachable(target, `no gateway of group "${group}" is known here`);
    const request = { start: startOf(call, token), body: Buffer.from(input) };
    let maybe: SallyportError | undefined;
    const ask = async (gateway: string): Promise<InvokeResponse> => {
      const response = await client.invoke(request, { signal, headers: { [podHeader]: gateway } });
      used.set(group, gateway);
      return response;
    };
    const response = await askElsewhere(begin, ask, (error, { tries }) => {
      const lost = signal.aborted ? undefined : lostGateway(error);
      if (lost === undefined) throw explained(target, error);
      if (lost.maybeExecuted) maybe = error;
      const [gone, next = begin] = [tries - 1, tries].map((n) => all[(first + n) % all.length]);
      // Whoever calls next, and would learn nothing of this one's fate, begins at another.
      if ((used.get(group) ?? all[0]) === gone) used.set(group, next);
      if (tries < all.length && (!lost.maybeExecuted || deduplicates(call) !== 'once')) return next;
      throw maybe === undefined ? unreachable(target, error) : silent(target, maybe);
    });
    return answerOf(target, response);
  };
  return {
    name: 'gateway',
    deduplicates,
    act: (call, { token, signal }) => act(call, token, signal),
    close: async () => client.close(),
  };
}

function deduplicates({ act, repeatable }: GatewayCall): Deduplication {
  if (repeatable !== undefined) return repeatable === 'key' ? 'token' : 'idempotent';
  if ('http' in act) return idempotentMethods.has(act.http.method) ? 'idempotent' : 'once';
  return 'command' in act || 'tcp' in act ? 'once' : 'idempotent';
}

function startOf(
  { target, act, repeatable }: GatewayCall,
  token: string,
): MessageInitShape<typeof InvokeStartSchema> {
  if ('http' in act) {
    const { method, path } = act.http;
    const given = { ...act.http.headers, ...(repeatable === 'key' && { 'idempotency-key': `"${token}"` }) };
    const headers = Object.entries(given).map(([name, value]) => ({ name: name.toLowerCase(), value }));
    return { target, kind: { case: 'http', value: { method, path, headers } } };
  }
  if ('command' in act)
    return { target, kind: { case: 'command', value: { parameters: { ...act.command } } } };
  if ('tcp' in act) return { target, kind: { case: 'tcp', value: {} } };
  if ('search' in act) {
    const { base, filter = '', attributes = [], limit = 0 } = act.search;
    const value = { base, filter, attributes: [...attributes], limit, scope: LdapScope.SUB };
    return { target, kind: { case: 'ldap', value: { operation: { case: 'search', value } } } };
  }
  if ('compare' in act) {
    return {
      target,
      kind: { case: 'ldap', value: { operation: { case: 'compare', value: { ...act.compare } } } },
    };
  }
  const { dn, attribute: name, values } = act.replace;
  const attribute = { name, values: values.map((each) => Buffer.from(each)) };
  const value = { dn, changes: [{ kind: LdapChangeKind.REPLACE, attribute }] };
  return { target, kind: { case: 'ldap', value: { operation: { case: 'modify', value } } } };
}

/** @throws TARGET_UNREACHABLE, TARGET_SILENT, TARGET_REFUSED by the status of an HTTP answer */
function answerOf(target: string, { head, body, errorBody, entries, end }: InvokeResponse): GatewayAnswer {
  const status = head?.status ?? 0;
  if (status >= 400) {
    const words = `it answered ${status}`;
    if (notHandled.includes(status)) throw unreachable(target, words);
    throw perhapsHandled.includes(status) ? silent(target, words) : refused(target, words);
  }
  return {
    gateway: head?.gateway ?? '',
    status,
    exitCode: end?.exitCode ?? 0,
    matched: end?.matched ?? false,
    truncated: end?.truncated ?? false,
    output: textOf(body),
    errorOutput: textOf(errorBody),
    entries: entries.map(({ dn, attributes }) => ({
      dn,
      attributes: Object.fromEntries(attributes.map(({ name, values }) => [name, values.map(textOf)])),
    })),
  };
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** What a gateway that lives says about its target. */
function explained(target: string, error: SallyportError): SallyportError {
  const { reason, status, metadata } = error;
  if (reason === 'NOT_FOUND')
    return new SallyportError('TARGET_UNKNOWN', { message: error.message, cause: error });
  const passes = status === 'UNAVAILABLE' || status === 'DEADLINE_EXCEEDED';
  if (!passes) return error;
  return metadata.maybeExecuted === 'false'
    ? unreachable(target, error, error.retryAfterMs)
    : silent(target, error);
}
