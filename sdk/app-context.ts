import type { MessageInitShape } from '@bufbuild/protobuf';
import type { AppContextSchema } from '../gen/sallyport/channel/v1/channel_pb.js';
import type { AppInfo } from './enrolment.ts';

export function appContext(app: AppInfo): MessageInitShape<typeof AppContextSchema> {
  return {
    platform: app.platform,
    appId: app.appId,
    version: app.version,
    ...(app.certDigest && { certDigest: app.certDigest }),
    ...(app.osVersion !== undefined && { osVersion: app.osVersion }),
    ...(app.posture && { posture: { ...app.posture } }),
  };
}
