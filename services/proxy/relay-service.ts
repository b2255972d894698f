import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { collectBody } from '#core/channel/multiplex/incoming-body.ts';
import { resetOf } from '#core/channel/multiplex/messages.ts';
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
import { abortScope } from './abort-scope.ts';
import type { Attachment } from './attachment.ts';
import type { Attachments } from './attachments.ts';
import { counts } from './metrics.ts';
import type { Openings } from './openings.ts';
import { type RelayDeps, relay } from './relay.ts';
import type { Revocations } from './revocations.ts';
import type { SecurityTier } from './security-tier.ts';
import { relayStream } from './stream.ts';

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
}

/** What devices call. What goes wrong behind the seal is told inside it. */
export function relayService(deps: RelayServiceDeps): Handlers<typeof Relay> {
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
      const done = attachment.use();
      try {
        const plaintext = attachment.opener.openRequest(frame.sequence, frame.ciphertext);
        const answer = await exchange(deps, attachment, plaintext, call);
        if (attachment.ended.aborted) throw attachment.ended.reason;
        const sealed = attachment.sealer.sealResponse(Number(frame.sequence), answer);
        return { frame: { sequence: BigInt(sealed.sequence), ciphertext: sealed.ciphertext } };
      } finally {
        done();
      }
    },

    stream: (requests, call) => relayStream(deps, requests, call, call.remoteAddress),
  };
}

/** The serialised ExchangeResponseBody: an answer, or why there is none. */
async function exchange(
  deps: RelayServiceDeps,
  attachment: Attachment,
  plaintext: Uint8Array,
  call: CallContext,
): Promise<Uint8Array> {
  const scope = abortScope(call.signal, attachment.ended);
  try {
    const { head, body } = parseExchange(plaintext);
    if (head === undefined) throw new SallyportError('MALFORMED');
    const answer = await relay(deps, attachment, {
      head,
      body,
      scope,
      clientAddress: call.remoteAddress,
      oneCall: true,
    });
    const { status, headers } = answer;
    return toBinary(
      ExchangeResponseBodySchema,
      create(ExchangeResponseBodySchema, {
        head: { status, headers },
        body: await wholeBody(answer.body),
      }),
    );
  } catch (thrown) {
    const error = resetOf(SallyportError.from(thrown));
    return toBinary(ExchangeResponseBodySchema, create(ExchangeResponseBodySchema, { error }));
  } finally {
    scope.end();
  }
}

async function wholeBody(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  try {
    return await collectBody(body, maxExchangeBytes);
  } catch (thrown) {
    const error = SallyportError.from(thrown);
    if (error.reason !== 'TOO_LARGE') throw error;
    // The backend has acted; only its answer does not fit.
    throw new SallyportError('TOO_LARGE', {
      message: `the answer is longer than the ${maxExchangeBytes} bytes of one frame`,
      hint: 'ask over Stream',
      metadata: { maybeExecuted: 'true' },
    });
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
