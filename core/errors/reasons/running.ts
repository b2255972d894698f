import { reasons } from './reasons.ts';

/** Running a mesh: its configuration, its changes, backups and restores. */
export const runningReasons = reasons({
  CONFIG_INVALID: [
    'INVALID_ARGUMENT',
    'the configuration is not valid',
    'the field and its rule are named; see docs/CONFIG.md',
  ],
  MESH_RUNNING: [
    'FAILED_PRECONDITION',
    'a mesh is running on this state folder',
    '`sallyport down` stops it, or choose another folder with --state',
  ],
  MESH_NOT_RUNNING: [
    'FAILED_PRECONDITION',
    'no mesh is running on this state folder',
    '`sallyport up` starts one',
  ],
  CHANGE_UNDER_WAY: [
    'ABORTED',
    'another change of this mesh is under way',
    'wait until it has ended, or interrupt it, and try again',
  ],
  CHANGE_REFUSED: ['FAILED_PRECONDITION', 'this mesh cannot be changed so', 'the message says why'],
  CONFIG_REJECTED: [
    'INVALID_ARGUMENT',
    'a sidecar does not take the configuration',
    'correct the knob or the patch that is named; all sidecars go on with what they had',
  ],
  PART_MISSING: [
    'FAILED_PRECONDITION',
    'a program that the mesh needs was not found and could not be fetched',
    'the message says what was tried and what to install',
  ],
  BACKUP_NOT_SCHEDULED: [
    'FAILED_PRECONDITION',
    'no backups are made of this mesh',
    '`sallyport backup schedule --to DIR` begins with them',
  ],
  BACKUP_KEY_WRONG: [
    'INVALID_ARGUMENT',
    'the key is not the one that the backup was made with',
    'name the file with the right one with --key-file; without it nobody can read the backup',
  ],
  BACKUP_TARGET: [
    'UNAVAILABLE',
    'the place where backups are kept cannot be reached, or refuses',
    'the message says why; backups go on by themselves when it is back',
  ],
  BACKUP_NO_ROOM: [
    'RESOURCE_EXHAUSTED',
    'there is no room for what a backup takes meanwhile',
    'make room on the disk that is named',
  ],
  BACKUP_DAMAGED: [
    'DATA_LOSS',
    'the backup is not what was written',
    'nothing was changed; take another one: `sallyport backup list`',
  ],
  BACKUP_FOREIGN: [
    'FAILED_PRECONDITION',
    'the backup is of another mesh',
    'restore it into a folder of its own, with --state',
  ],
  BACKUP_NEWER: [
    'FAILED_PRECONDITION',
    'the backup is of a newer release',
    'nothing was changed; restore it with that release, or one after it',
  ],
  RESTORE_OVER_MESH: [
    'FAILED_PRECONDITION',
    'the folder to restore into holds a mesh',
    'name another one with --state, or say --replace: what is there is moved aside',
  ],
  RESTORE_RUNNING: [
    'FAILED_PRECONDITION',
    'another restore into the folder is under way',
    'wait until it has ended, or answer what it asks',
  ],
  RESTORE_FAILED: [
    'DATA_LOSS',
    'what was saved could not be made a database again',
    'nothing was changed; take another one: `sallyport backup list`',
  ],
  START_FAILED: ['UNAVAILABLE', 'a part of the mesh did not start', 'its log file is named in the message'],
});
