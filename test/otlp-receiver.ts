import { createServer } from 'node:http';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

export interface ReceivedSpan {
  /** `service.name` of the resource, and `service.instance.id` where it is told. */
  readonly service: string;
  readonly instance: string | undefined;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string;
  readonly name: string;
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface ReceivedPoint {
  readonly service: string;
  readonly metric: string;
  readonly attributes: ReadonlyMap<string, string>;
  /** Measurements of a histogram in this point. */
  readonly count: number;
}

/** An OTLP/HTTP receiver for protobuf, which keeps what it is sent. */
export interface OtlpReceiver {
  readonly endpoint: string;
  readonly spans: readonly ReceivedSpan[];
  readonly points: readonly ReceivedPoint[];
  /** All that came, as it was sent: headers and bodies. */
  readonly raw: readonly Buffer[];
  /** Calls that it did not understand. */
  readonly refused: readonly string[];
  close(): void;
}

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const points: ReceivedPoint[] = [];
  const raw: Buffer[] = [];
  const refused: string[] = [];
  const server = createServer((call, response) => {
    const chunks: Buffer[] = [];
    call.on('data', (chunk: Buffer) => chunks.push(chunk));
    call.on('end', () => {
      const body = Buffer.concat(chunks);
      raw.push(Buffer.from(call.rawHeaders.join('\n')), body);
      try {
        if (call.url === '/v1/traces') spans.push(...spansOf(body));
        else if (call.url === '/v1/metrics') points.push(...pointsOf(body));
        else throw new Error('no such path');
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      } catch (error) {
        refused.push(`${call.method} ${call.url}: ${String(error)}`);
        response.writeHead(400).end();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { endpoint: `http://127.0.0.1:${address.port}`, spans, points, raw, refused, close };
}

/**
 * Numbers of fields as in opentelemetry/proto/{collector,trace,metrics,common}/v1: a request has resources (1), each
 * with a resource (1) and scopes (2), each of which has spans or metrics (2).
 */
function spansOf(body: Uint8Array): ReceivedSpan[] {
  return items(body).flatMap(({ resource, item }) => {
    const span = fieldsOf(item);
    return {
      service: resource.get('service.name') ?? '',
      instance: resource.get('service.instance.id'),
      traceId: hex(span.bytes(1)[0]),
      spanId: hex(span.bytes(2)[0]),
      parentId: hex(span.bytes(4)[0]),
      name: text(span.bytes(5)[0]),
      kind: span.number(6),
      attributes: attributesOf(span.bytes(9)),
    };
  });
}

function pointsOf(body: Uint8Array): ReceivedPoint[] {
  return items(body).flatMap(({ resource, item }) => {
    const metric = fieldsOf(item);
    const histograms = metric.bytes(9).flatMap((histogram) => fieldsOf(histogram).bytes(1));
    return histograms.map((bytes) => {
      const point = fieldsOf(bytes);
      return {
        service: resource.get('service.name') ?? '',
        metric: text(metric.bytes(1)[0]),
        attributes: attributesOf(point.bytes(9)),
        count: point.number(4),
      };
    });
  });
}

function items(body: Uint8Array): { resource: ReadonlyMap<string, string>; item: Uint8Array }[] {
  return fieldsOf(body)
    .bytes(1)
    .flatMap((bytes) => {
      const one = fieldsOf(bytes);
      const [resourceBytes] = one.bytes(1);
      const resource = attributesOf(resourceBytes === undefined ? [] : fieldsOf(resourceBytes).bytes(1));
      const found = one.bytes(2).flatMap((scope) => fieldsOf(scope).bytes(2));
      return found.map((item) => ({ resource, item }));
    });
}

/** Only texts; other values are there with an empty one. */
function attributesOf(pairs: readonly Uint8Array[]): Map<string, string> {
  return new Map(
    pairs.map((bytes) => {
      const pair = fieldsOf(bytes);
      const [value] = pair.bytes(2);
      return [text(pair.bytes(1)[0]), text(value && fieldsOf(value).bytes(1)[0])];
    }),
  );
}

interface Fields {
  /** All values of a length-delimited field. */
  bytes(field: number): Uint8Array[];
  /** The last value of a varint or fixed64 field, else 0. */
  number(field: number): number;
}

function fieldsOf(bytes: Uint8Array): Fields {
  const reader = new BinaryReader(bytes);
  const delimited = new Map<number, Uint8Array[]>();
  const numbers = new Map<number, number>();
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type === WireType.LengthDelimited)
      delimited.set(field, [...(delimited.get(field) ?? []), reader.bytes()]);
    else if (type === WireType.Varint) numbers.set(field, Number(reader.uint64()));
    else if (type === WireType.Bit64) numbers.set(field, Number(reader.fixed64()));
    else reader.skip(type, field);
  }
  return { bytes: (field) => delimited.get(field) ?? [], number: (field) => numbers.get(field) ?? 0 };
}

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('utf8');
