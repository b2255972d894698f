import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { concat } from '#core/channel/bytes.ts';
import { type ResponseHead, resetOf } from '#core/channel/multiplex/messages.ts';
import { exchangeResponse } from '#core/channel/multiplex/stream-writer.ts';
import { SallyportError } from '#core/errors/error.ts';
import { routeKeyOf } from '#core/ids/session-id.ts';
import {
  type ExchangeRequestBody,
  ExchangeRequestBodySchema,
  ExchangeResponseBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import type { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import type { CallContext, Handlers } from '#kernel/rpc/handlers.ts';
import type { Clock } from '#kernel/time/clock.ts';
import type { Attachment } from './attachment.ts';
import type { Attachments } from './attachments.ts';
import type { Departures } from './departures.ts';
import { counts } from './metrics.ts';
import type { Openings } from './openings.ts';
import { type RelayDeps, type RelaySink, relay } from './relay.ts';
import type { Revocations } from './revocations.ts';
import type { SecurityTier } from './security-tier.ts';
import { WorkScope } from './work-scope.ts';

const validator = createValidator();
const routeHeader = 'x-sallyport-route';

/** Bytes of a whole body in one frame, either way; longer ones go over Stream. */
export const maxExchangeBytes = 1_048_576;

export interface RelayServiceDeps extends RelayDeps {
  readonly tier: Pick<SecurityTier, 'attach'>;
  readonly attachments: Attachments;
  readonly clock: Clock;
  readonly revocations: Pick<Revocations, 'assertCurrent'>;
  readonly openings: Openings;
  /** Milliseconds that a device may take to send, or to take, the next piece of a body on a stream. */
  readonly stallMs: number;
  /** Aborted when this pod drains: streams tell their devices to attach elsewhere. */
  readonly draining: AbortSignal;
  /** Edges, or this pod, that devices are asked to leave. */
  readonly departures: Departures;
}

/** What devices call, but for Stream (stream.ts). What goes wrong behind the seal is told inside it. */
export function relayService(deps: RelayServiceDeps): Omit<Handlers<typeof Relay>, 'stream'> {
  return {
    attach: async (request, call) => {
      checkRoute(call, request.sessionId);
      if (deps.draining.aborted) throw deps.draining.reason;
      const { attachment, response } = await deps.tier.attach(request, call);
      try {
        deps.revocations.assertCurrent(attachment, attachment.lease);
        deps.attachments.add(attachment);
      } catch (thrown) {
        const error = SallyportError.from(thrown);
        attachment.end(error);
        throw error;
      }
      counts.attached.add();
      return response;
    },

    exchange: async (request, call) => {
      const { frame } = request;
      if (frame === undefined) throw new SallyportError('MALFORMED');
      const attachment = deps.attachments.find(request.sessionId, request.epoch);
      const scope = new WorkScope();
      const done = attachment.use(scope);
      try {
        const plaintext = attachment.opener.openRequest(frame.sequence, frame.ciphertext);
        const answer = await exchange(deps, attachment, plaintext, call, scope);
        if (attachment.ended.aborted) throw attachment.ended.reason;
        const sealed = attachment.sealer.sealResponse(Number(frame.sequence), answer);
        return { frame: { sequence: BigInt(sealed.sequence), ciphertext: sealed.ciphertext } };
      } finally {
        done();
      }
    },
  };
}

/** The serialised ExchangeResponseBody: an answer, or why there is none. */
async function exchange(
  deps: RelayServiceDeps,
  attachment: Attachment,
  plaintext: Uint8Array,
  call: CallContext,
  scope: WorkScope,
): Promise<Uint8Array> {
  const gone = (): void => scope.giveUp(call.signal.reason);
  call.signal.addEventListener('abort', gone, { once: true });
  if (call.signal.aborted) gone();
  try {
    const { head, body } = parseExchange(plaintext);
    if (head === undefined) throw new SallyportError('MALFORMED');
    const answer = new WholeAnswer();
    const { remoteAddress: clientAddress } = call;
    await relay(deps, attachment, { head, body, scope, clientAddress, oneCall: true }, answer);
    return answer.encoded();
  } catch (thrown) {
    const error = resetOf(SallyportError.from(thrown));
    return toBinary(ExchangeResponseBodySchema, create(ExchangeResponseBodySchema, { error }));
  } finally {
    call.signal.removeEventListener('abort', gone);
  }
}

/** An answer that has to fit into one frame. */
class WholeAnswer implements RelaySink {
  #head: ResponseHead | undefined;
  readonly #pieces: Uint8Array[] = [];
  #bytes = 0;

  head(head: ResponseHead): void {
    this.#head = head;
  }

  /** @throws TOO_LARGE */
  data(piece: Uint8Array): undefined {
    this.#bytes += piece.length;
    this.#pieces.push(piece);
    if (this.#bytes <= maxExchangeBytes) return;
    // The backend has acted; only its answer does not fit.
    throw new SallyportError('TOO_LARGE', {
      message: `the answer is longer than the ${maxExchangeBytes} bytes of one frame`,
      hint: 'ask over Stream',
      metadata: { maybeExecuted: 'true' },
    });
  }

  /** As `ExchangeResponseBody`. */
  encoded(): Uint8Array {
    if (this.#head === undefined)
      throw new SallyportError('INTERNAL', { message: 'an answer without a head' });
    const written = exchangeResponse(this.#head, this.#pieces);
    if (written !== undefined) return written;
    const { status, headers } = this.#head;
    const answer = { head: { status, headers: [...headers] }, body: concat(...this.#pieces) };
    return toBinary(ExchangeResponseBodySchema, create(ExchangeResponseBodySchema, answer));
  }
}

function parseExchange(plaintext: Uint8Array): ExchangeRequestBody {
  let body: ExchangeRequestBody;
  try {
    body = fromBinary(ExchangeRequestBodySchema, plaintext);
  } catch (cause) {
    throw new SallyportError('MALFORMED', { message: 'this is not an ExchangeRequestBody', cause });
  }
  const result = validator.validate(ExchangeRequestBodySchema, body);
  if (result.kind === 'invalid') {
    throw new SallyportError('REQUEST_INVALID', {
      message: result.violations.map((violation) => violation.toString()).join('; '),
    });
  }
  if (body.body.length > maxExchangeBytes) throw new SallyportError('TOO_LARGE');
  return body;
}

/** A device that was routed by another key than its session's would find another proxy next time. */
function checkRoute(call: CallContext, sessionId: string): void {
  if (call.header(routeHeader) !== routeKeyOf(sessionId)) throw new SallyportError('ROUTE_MISMATCH');
}
