import { reasons } from './reasons.ts';

/** Tasks, work items, schedules, and the targets that workers act on. */
export const tasksReasons = reasons({
  TASK_KIND_UNKNOWN: [
    'NOT_FOUND',
    'there is no task of this kind',
    'list the kinds; a newer release may know it',
  ],
  TASK_ENDED: ['FAILED_PRECONDITION', 'the task has ended', 'look at its result; submit another one'],
  ITEM_TAKEN: [
    'FAILED_PRECONDITION',
    'somebody else has reserved this work item',
    'ask whoever is named to give it back or to hand it on; an operator can, too',
  ],
  ITEM_ENDED: ['FAILED_PRECONDITION', 'this work item has ended', 'list the inbox again'],
  DRAFT_CHANGED: [
    'ABORTED',
    'somebody has saved another draft meanwhile',
    'read the item again, and save what you have typed on top of that',
  ],
  CLAIM_LOST: ['ABORTED', 'another worker has the task now', 'nothing: that one goes on with it'],
  REQUEST_KEY_REUSED: [
    'ALREADY_EXISTS',
    'this key was used for something else',
    'a key names one request for good: take a new one',
  ],
  TARGET_UNKNOWN: [
    'NOT_FOUND',
    'this worker knows no such target',
    'see `targets` in the configuration of the workers',
  ],
  TARGET_UNREACHABLE: [
    'UNAVAILABLE',
    'the target cannot be reached, or takes nothing now; nothing was done there',
    'it is tried again; look at the target and the way to it',
  ],
  TARGET_SILENT: [
    'UNKNOWN',
    'the target did not say what became of what it was asked for',
    'it is tried again where that does no harm; look at the target',
  ],
  TARGET_REFUSED: [
    'FAILED_PRECONDITION',
    'the target refuses what it is asked for',
    'the message says what it answered',
  ],
  EFFECT_UNKNOWN: [
    'FAILED_PRECONDITION',
    'whether this took effect is not known, and it must not be done twice',
    'look at the target; then submit what is still to be done',
  ],
  SCHEDULE_INVALID: [
    'INVALID_ARGUMENT',
    'the schedule cannot be used',
    'the message says what is wrong; cron has five fields: minute, hour, day of month, month, day of week',
  ],
  SCHEDULE_BUSY: [
    'FAILED_PRECONDITION',
    'the last run of this schedule has not ended',
    'wait for it, or cancel it: the message names the task',
  ],
});
