import { Client, credentials, Metadata } from '@grpc/grpc-js';

/** Messages as the bytes that they are: no bench is to measure protobuf. */
export const asItIs = (bytes: Buffer): Buffer => bytes;

/** A client of a server at a socket without anything that costs and is not needed, and the headers of its calls. */
export function rawClient({
  socket,
  headers,
}: {
  readonly socket: string;
  readonly headers: Readonly<Record<string, string>>;
}): { readonly client: Client; readonly metadata: Metadata } {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.enable_channelz': 0,
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
  });
  return { client, metadata };
}
