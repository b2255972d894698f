import type { Command } from 'commander';
import { wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { FreezeOptions } from './run-freeze.ts';
import type { NowOptions } from './run-now.ts';
import type { RestoreOptions } from './run-restore.ts';
import type { ScheduleOptions } from './run-schedule.ts';
import type { VerifyOptions } from './run-verify.ts';
import { credentialsOption, hostKeyOption, type TargetOptions, withTarget } from './target.ts';

/** `backup now`, `schedule`, `list`, `verify`, `freeze` and `restore`. */
export function addBackupCommands(program: Command, context: CliContext, end: { code: number }): void {
  const backup = program
    .command('backup')
    .summary('snapshots that are proven by restoring them')
    .description(
      'A database node copies its data every five minutes and brings its log every five seconds, compressed and\n' +
        'sealed, with the keys that a new machine needs to be the same service. Each snapshot is restored into a\n' +
        'server of its own and compared, table by table. The key that they are sealed with is in none of them.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport backup schedule --to /mnt/backups/mesh
  sallyport backup now
  sallyport backup list
  sallyport backup restore --from /mnt/backups/mesh --key-file backup.key`,
    );

  const now = backup
    .command('now')
    .summary('a snapshot at once')
    .description(
      'Asks the database node whose turn it is for a snapshot, and waits until it has been restored.',
    )
    .option('--timeout <seconds>', 'until giving up', wholeNumber(1, 86_400), 1800)
    .addHelpText('after', '\nExamples:\n  sallyport backup now --json');
  withCommon<NowOptions>(now, 'backup now', context, end, async (options, command) => {
    const { runNow } = await import('./run-now.ts');
    return runNow(options, command);
  });

  const schedule = backup
    .command('schedule')
    .summary('where to, how often, and for how long they are kept')
    .description(
      'Begins with backups, or changes how they are made; a running mesh goes by it within a second. What is not\n' +
        'said stays as it was. Without --key-file a key is made in secrets/backup.key: copy it elsewhere.\n' +
        'A snapshot is taken less often when it would take more than a twentieth of the time.',
    )
    .option('--to <target>', 'a folder, sftp://USER@HOST/PATH, or s3://BUCKET/PREFIX?endpoint=https://HOST')
    .option('--key-file <file>', 'what they are sealed with; made if there is none')
    .addOption(credentialsOption())
    .addOption(hostKeyOption())
    .option(
      '--every <seconds>',
      'between snapshots; 0: only on request (at first 300)',
      wholeNumber(0, 604_800),
    )
    .option('--log-every <seconds>', 'between looks at the log (at first 5)', wholeNumber(1, 3600))
    .option('--keep-hours <n>', 'all snapshots and the log (at first 24)', wholeNumber(1, 8760))
    .option('--keep-days <n>', 'the last snapshot of each day (at first 14)', wholeNumber(0, 3660))
    .option('--off', 'make no more; those that there are stay')
    .addHelpText(
      'after',
      `
Examples:
  sallyport backup schedule --to /mnt/backups/mesh --key-file /mnt/stick/backup.key
  sallyport backup schedule --to sftp://mesh@backup.example/mesh --credentials id_ed25519 --host-key SHA256:...
  sallyport backup schedule --to 's3://mesh/backups?endpoint=https://s3.example' --credentials s3.json
  sallyport backup schedule --every 600 --keep-days 90
  sallyport backup schedule --off`,
    );
  withCommon<ScheduleOptions>(schedule, 'backup schedule', context, end, async (options, command) => {
    const { runSchedule } = await import('./run-schedule.ts');
    return runSchedule(options, command);
  });

  const list = withTarget(backup.command('list'))
    .summary('which there are, what they are worth')
    .description(
      'Lists snapshots, oldest first: whether each was restored and how long that took (measured RTO), up to when the\n' +
        'log can be played after it, and the longest time of which at any moment nothing was stored yet (proven RPO).',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  sallyport backup list\n  sallyport backup list --from /mnt/backups/mesh --key-file backup.key --json',
    );
  withCommon<TargetOptions>(list, 'backup list', context, end, async (options, command) => {
    const { runList } = await import('./run-list.ts');
    return runList(options, command);
  });

  const verify = withTarget(backup.command('verify').argument('[snapshot]', 'which (default: the newest)'))
    .summary('read one, restore it, compare')
    .description(
      'Reads every byte of a snapshot and of the log after it, restores it into a server of its own, and compares.',
    )
    .option('--quick', 'read only')
    .addHelpText(
      'after',
      '\nExamples:\n  sallyport backup verify\n  sallyport backup verify 20261127T154719Z-3f1a --quick',
    );
  withCommon<VerifyOptions>(verify, 'backup verify', context, end, async (options, command, [id]) => {
    const { runVerify } = await import('./run-verify.ts');
    return runVerify(options, command, id);
  });

  const freeze = backup
    .command('freeze')
    .argument('<pod>', 'a database node; a secondary, or logins wait')
    .summary("hold a node's data still while its disk is copied")
    .description(
      'For the hooks of a hypervisor or a file system that makes snapshots: says `frozen` once nothing changes any more\n' +
        'on that node, and lets it go after --seconds, or when it is told to end.',
    )
    .option('--seconds <n>', 'after which it is let go', wholeNumber(1, 300), 20)
    .addHelpText('after', '\nExamples:\n  sallyport backup freeze db-1 --seconds 10');
  withCommon<FreezeOptions>(freeze, 'backup freeze', context, end, async (options, command, [pod = '']) => {
    const { runFreeze } = await import('./run-freeze.ts');
    return runFreeze(pod, options, command);
  });

  const restore = withTarget(
    backup.command('restore').argument('[snapshot]', 'which (default: the newest, and the log)'),
  )
    .summary('become the mesh that was saved')
    .description(
      'Fetches, checks and opens a backup, tells what may be missing, and asks; then the mesh of the folder, which must\n' +
        'be down, is the one that was saved, in a new era: everybody logs in again, nobody enrols again. A backup of an\n' +
        'older release is brought to this one; one of a newer release is refused. On a new machine name an empty\n' +
        'folder with --state; a folder that holds a mesh is refused without --replace.',
    )
    .option('--no-log', 'the snapshot alone, without the log after it, as where that is damaged')
    .option('--to <time>', 'leave out what came from then on, such as 2026-11-27T15:04:05Z')
    .option(
      '--replace',
      'the mesh in the folder: its data, keys and settings are moved to before-restore-...',
    )
    .option(
      '--block-devices',
      'all of them, until you unblock them: whoever was revoked in what is missing stays out',
    )
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `
Examples:
  sallyport backup restore --replace
  sallyport backup restore --replace --block-devices
  sallyport backup restore --replace --to 2026-11-27T15:04:05Z
  sallyport backup restore --state /srv/mesh --from /mnt/backups/mesh --key-file backup.key --yes`,
    );
  withCommon<RestoreOptions>(restore, 'backup restore', context, end, async (options, command, [id]) => {
    const { runRestore } = await import('./run-restore.ts');
    return runRestore(options, command, id);
  });
}
