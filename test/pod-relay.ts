/**
 * Stands in for the sidecars between security pods: takes HTTP/2 on one Unix socket, reads
 * `x-sallyport-pod`, and passes the call on to that pod's socket in the name of the caller.
 */
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type ServerHttp2Stream,
} from 'node:http2';

export interface PodRelay {
  close(): Promise<void>;
}

export async function startPodRelay(
  socket: string,
  options: { readonly identity: string; readonly target: (pod: string) => string | undefined },
): Promise<PodRelay> {
  const sessions = new Map<string, ClientHttp2Session>();
  const sessionTo = (path: string): ClientHttp2Session => {
    const known = sessions.get(path);
    if (known && !known.closed && !known.destroyed) return known;
    const fresh = connect('http://pod', { path } as Parameters<typeof connect>[1]);
    fresh.on('error', () => sessions.delete(path));
    sessions.set(path, fresh);
    return fresh;
  };
  const server = createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const target = options.target(String(headers['x-sallyport-pod']));
    const fail = (): void => {
      if (!stream.headersSent && !stream.destroyed) {
        stream.respond(
          { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14' },
          { endStream: true },
        );
      } else stream.close();
    };
    stream.on('error', fail);
    if (target === undefined) return fail();
    const onward = sessionTo(target).request({
      ...headers,
      'x-forwarded-client-cert': `URI=${options.identity}`,
    });
    onward.on('error', fail);
    onward.on('response', (response, flags) => {
      if (stream.destroyed) return;
      // An error is all in the headers.
      if (flags & constants.NGHTTP2_FLAG_END_STREAM) return stream.respond(response, { endStream: true });
      stream.respond(response, { waitForTrailers: true });
      let trailers = {};
      onward.on('trailers', (received) => {
        trailers = received;
      });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      onward.pipe(stream);
    });
    stream.pipe(onward);
    stream.on('close', () => onward.close());
  });
  server.on('sessionError', () => {});
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return {
    close: async () => {
      for (const session of sessions.values()) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
