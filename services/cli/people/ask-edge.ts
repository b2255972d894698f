import type { DescService } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import { SallyportError } from '#core/errors/error.ts';
import { createConnectClient } from '#kernel/rpc/connect-client.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { askInTurn } from '../ask-in-turn.ts';
import type { LoginFile } from './login-file.ts';

/**
 * Calls a service of the security tier through the edges, one after the other until one answers. Only for
 * what may be done twice.
 * @throws the tier's own error; UNAVAILABLE when no edge answers
 */
export function askEdges<S extends DescService, T>(
  { edgeUrls, ca, routeKey, token }: Pick<LoginFile, 'edgeUrls' | 'ca' | 'routeKey'> & { token?: string },
  service: S,
  call: (client: Client<S>) => Promise<T>,
): Promise<T> {
  const asked = askInTurn(edgeUrls, 'edge', systemClock, (address, tryMs) =>
    call(
      createConnectClient(service, {
        address,
        defaultDeadlineMs: tryMs,
        headers: {
          'x-sallyport-route': routeKey,
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(ca !== undefined && { ca: Buffer.from(ca) }),
      }),
    ),
  );
  return asked.catch((error: unknown) => {
    if (SallyportError.from(error).reason !== 'UNKNOWN_METHOD' || token === undefined) throw error;
    throw new SallyportError('UNKNOWN_METHOD', {
      message: 'the edges let no administrators through',
      hint: 'set `edge: {admin_api: true}` (`sallyport mesh apply`), or `sallyport logout`: then it speaks as the operator',
      cause: error,
    });
  });
}
