import { acceptAttach } from '#core/channel/attach.ts';
import { SallyportError } from '#core/errors/error.ts';
import type { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { channelCrypto } from '#kernel/crypto/channel-crypto.ts';
import type { Logger } from '#kernel/log/logger.ts';
import type { Handlers } from '#kernel/rpc/handlers.ts';
import { routeHeader } from '../session/route.ts';
import type { Sessions } from '../session/sessions.ts';
import { requireOwnName, requireRole } from './callers.ts';
import type { GiveLease } from './leases.ts';

export interface LeaseSessionKeyDeps {
  readonly sessions: Pick<Sessions, 'get' | 'touch'>;
  readonly lease: GiveLease;
  readonly nextEpoch: () => Uint8Array;
  readonly log: Logger;
}

/**
 * A device attaches at a proxy: it proves that it has the session key, and the proxy gets the traffic keys
 * of a new epoch, never the session key itself.
 */
export function leaseSessionKey(deps: LeaseSessionKeyDeps): Handlers<typeof KeyStore>['leaseSessionKey'] {
  return async (request, call) => {
    requireRole(call, 'proxy');
    requireOwnName(call, request.proxy);
    const record = await deps.sessions.get(request.sessionId, {
      asked: 'attach',
      deadlineMs: call.deadlineMs,
    });
    const route = call.header(routeHeader);
    if (route !== undefined && route !== record.routeKey) throw new SallyportError('ROUTE_MISMATCH');
    if (record.kind !== 'device') {
      throw new SallyportError('ATTACH_PROOF_INVALID', { message: 'people have no attachments' });
    }
    const epoch = deps.nextEpoch();
    const { deviceNonce, proof, proxy } = request;
    const { serverNonce, keys, confirmation } = acceptAttach(
      channelCrypto,
      { sessionId: record.id, sessionKey: record.sessionKey },
      { deviceNonce, proof, epoch, proxy },
    );
    deps.sessions.touch(record);
    deps.log.debug({ session: record.id, proxy }, 'a device attached');
    return {
      epoch,
      serverNonce,
      deviceToProxyKey: keys.deviceToProxy,
      proxyToDeviceKey: keys.proxyToDevice,
      confirmation,
      lease: deps.lease(record, proxy),
    };
  };
}
