import { DeviceService } from '#gen/sallyport/device/v1/device_pb.js';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { Sources } from '#gen/sallyport/directory/v1/sources_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { createGrpcClient, type GrpcClient, type GrpcClientOptions } from '#kernel/rpc/grpc-client.ts';

/** What tasks ask of the security tier, through their sidecar. */
export interface TierClients {
  readonly directory: GrpcClient<typeof Directory>;
  readonly sources: GrpcClient<typeof Sources>;
  readonly keys: GrpcClient<typeof KeyStore>;
  readonly devices: GrpcClient<typeof DeviceService>;
  readonly sessions: GrpcClient<typeof SessionService>;
  close(): void;
}

export function openTierClients(options: GrpcClientOptions): TierClients {
  const directory = createGrpcClient(Directory, options);
  const sources = createGrpcClient(Sources, options);
  const keys = createGrpcClient(KeyStore, options);
  const devices = createGrpcClient(DeviceService, options);
  const sessions = createGrpcClient(SessionService, options);
  const close = (): void => {
    for (const client of [directory, sources, keys, devices, sessions]) client.close();
  };
  return { directory, sources, keys, devices, sessions, close };
}
