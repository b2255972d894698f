/**
 * The one registry of error reasons. A reason is what a program branches on: it travels in
 * `google.rpc.ErrorInfo.reason` (domain `sallyport.internal`) and is documented in docs/ERRORS.md.
 */
import { channelReasons } from './reasons/channel.ts';
import { directoriesReasons } from './reasons/directories.ts';
import { relayingReasons } from './reasons/relaying.ts';
import { requestsReasons } from './reasons/requests.ts';
import { runningReasons } from './reasons/running.ts';
import { sessionsReasons } from './reasons/sessions.ts';
import { storageReasons } from './reasons/storage.ts';
import { tasksReasons } from './reasons/tasks.ts';

/** By area, as docs/ERRORS.md has them. No reason stands in two. */
export const areas = [
  requestsReasons,
  channelReasons,
  sessionsReasons,
  relayingReasons,
  storageReasons,
  directoriesReasons,
  tasksReasons,
  runningReasons,
] as const;

export const registry = Object.freeze({
  ...requestsReasons,
  ...channelReasons,
  ...sessionsReasons,
  ...relayingReasons,
  ...storageReasons,
  ...directoriesReasons,
  ...tasksReasons,
  ...runningReasons,
});

export type ErrorReason = keyof typeof registry;
