import { create, toBinary } from '@bufbuild/protobuf';
import {
  ExchangeRequestBodySchema,
  ExchangeResponseBodySchema,
} from '#gen/sallyport/channel/v1/channel_pb.js';
import { utf8 } from '../bytes.ts';
import { encodeStreamMessage } from '../multiplex/stream-codec.ts';
import { hex, type Vectors } from './form.ts';

const headers = [{ name: 'accept', value: 'text/html' }];
const requestHead = { method: 'POST', authority: 'intranet.example', path: '/orders?draft=1', headers };
const responseHead = { status: 201, headers: [{ name: 'content-type', value: 'text/plain' }] };
const refusal = {
  ...{ reason: 'POLICY_DENIED', message: 'the policy does not allow this', hint: 'ask the administrator' },
  ...{ retryAfterMs: 0, requestId: 'AAAAAAAAAAAAAAAAAAAAAA', maybeExecuted: false },
};

/** The plaintext of every kind of frame, before it is sealed. */
export function messageVectors(): Vectors {
  const exchange = (value: { head: typeof responseHead; body: Uint8Array } | { error: typeof refusal }) =>
    hex(toBinary(ExchangeResponseBodySchema, create(ExchangeResponseBodySchema, value)));
  return {
    exchangeRequest: hex(
      toBinary(
        ExchangeRequestBodySchema,
        create(ExchangeRequestBodySchema, { head: requestHead, body: utf8('two') }),
      ),
    ),
    exchangeResponse: exchange({ head: responseHead, body: utf8('made') }),
    exchangeRefusal: exchange({ error: refusal }),
    requestHead: hex(encodeStreamMessage({ requestId: 1, kind: 'requestHead', head: requestHead })),
    responseHead: hex(encodeStreamMessage({ requestId: 1, kind: 'responseHead', head: responseHead })),
    data: hex(encodeStreamMessage({ requestId: 1, kind: 'data', data: utf8('two') })),
    end: hex(encodeStreamMessage({ requestId: 1, kind: 'end' })),
    credit: hex(encodeStreamMessage({ requestId: 1, kind: 'credit', credit: 65_536 })),
    reset: hex(encodeStreamMessage({ requestId: 1, kind: 'reset', reset: refusal })),
  };
}
