/**
 * The device SDK: `enroll` once, then `Device.open` a session per user and `Session.fetch` pages. Edges are
 * reached through `nodeEdges` (sdk/node.ts) or `browserEdges` (sdk/browser.ts).
 */
export { SallyportError } from '../core/errors/error.ts';
export type { ErrorReason } from '../core/errors/registry.ts';
export type { BodyInit } from './body-source.ts';
export { Device, type DeviceOptions, type OpenOptions } from './device.ts';
export type { ConnectEdge, EdgeConnection } from './edges.ts';
export { type EnrollOptions, enroll, type PlatformAttestation, readActivation } from './enroll.ts';
export { type AppInfo, decodeEnrolment, type Enrolment, encodeEnrolment } from './enrolment.ts';
export { type EnrolmentStore, memoryStore } from './enrolment-store.ts';
export type { SdkEvent, SdkListener } from './events.ts';
export {
  beginOidc,
  completeOidc,
  discoverOidc,
  type OidcAttempt,
  type OidcClient,
  type OpenIdCredential,
} from './oidc.ts';
export { defaultPlatform, type Platform } from './platform.ts';
export type { FetchInit } from './request.ts';
export type { SessionResponse } from './response.ts';
export type { Session, StepUpProof } from './session.ts';
export type { Tracer, TraceSpan } from './trace.ts';
