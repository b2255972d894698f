import type { Command } from 'commander';
import { wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { type ListOptions, withPages } from '../list.ts';
import type { AppOptions, HaltOptions, RolloutOptions, UploadOptions, VersionsOptions } from './run-apps.ts';

const ofApp = (command: Command): Command =>
  command
    .requiredOption('--app <id>', 'which app, as com.example.field')
    .requiredOption('--platform <name>', 'ios, android, …');
const ofChannel = (command: Command): Command =>
  ofApp(command).option('--channel <name>', 'in which channel', 'stable');

/** `apps upload`, `list`, `channels`, `rollout`, `halt`, `resume`, `rollback`, `versions`, `remove` and `rotate-keys`. */
export function addAppCommands(program: Command, context: CliContext, end: { code: number }): void {
  const apps = program
    .command('apps')
    .summary('releases of apps, and who is offered which')
    .description(
      'The app catalogue: packages that devices download through the proxies, signed by The Update Framework.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport apps upload field.apk --app com.example.field --platform android --version 1.4
  sallyport apps rollout 1.4 --app com.example.field --platform android --percent 10
  sallyport apps channels`,
    );
  const add = <O extends AppOptions>(
    command: Command,
    name: string,
    examples: readonly string[],
    run: (
      parts: typeof import('./run-apps.ts'),
      options: O,
      c: Parameters<Body<O>>[1],
      arg: string,
    ) => ReturnType<Body<O>>,
  ): void => {
    command.addHelpText('after', `\nExamples:\n${examples.map((line) => `  sallyport ${line}`).join('\n')}`);
    withCommon<O>(command, name, context, end, async (options, c, [arg = '']) =>
      run(await import('./run-apps.ts'), options, c, arg),
    );
  };
  const field = '--app com.example.field --platform android';

  add<UploadOptions>(
    ofApp(apps.command('upload').argument('<file>', 'the package'))
      .requiredOption('--version <version>', 'its version, as the app tells it')
      .option('--notes <text>', 'what is new, for people', '')
      .option('--delta-from <version...>', 'make deltas from these releases (default: what channels offer)')
      .option('--no-delta', 'make none')
      .summary('publish a package')
      .description(
        'Uploads it in pieces, going on where an upload of the same bytes was broken off, and signs it; then deltas, by which devices that have an older release download less. Nobody is offered it before `apps rollout` says so.',
      ),
    'apps upload',
    [`apps upload field.apk ${field} --version 1.4 --notes 'Faster.'`],
    (parts, options, c, file) => parts.runUpload(file, options, c),
  );
  add<ListOptions & { readonly app?: string }>(
    withPages(apps.command('list'))
      .option('--app <id>', 'of this app only')
      .summary('releases, and what devices report of them')
      .description('Lists releases, newest first.'),
    'apps list',
    ['apps list --app com.example.field'],
    (parts, options, c) => parts.runReleases(options, c),
  );
  add<AppOptions>(
    apps
      .command('channels')
      .option('--app <id>', 'of this app only')
      .summary('what is rolled out, and which versions may be used')
      .description('Tells for each channel which release it offers, to whom, and why it was halted.'),
    'apps channels',
    ['apps channels', 'apps channels --app com.example.field --json'],
    (parts, options, c) => parts.runChannels(options, c),
  );
  add<RolloutOptions>(
    ofChannel(apps.command('rollout').argument('<version>', 'which release'))
      .option('--percent <n>', 'to this share of the devices', wholeNumber(0, 100), 100)
      .option('--groups <name...>', 'to users of these groups in any case')
      .option(
        '--max-failures <percent>',
        'halt when more of the reporting devices fail; 0: never',
        wholeNumber(0, 100),
        5,
      )
      .option('--min-reports <n>', 'but not before so many have reported', wholeNumber(1, 1_000_000), 20)
      .summary('offer a release in a channel')
      .description(
        'Which devices are among the first is settled by a hash of device and release: a larger share takes in more, and loses none. The others go on with the release before.',
      ),
    'apps rollout',
    [`apps rollout 1.4 ${field} --percent 5 --groups testers`, `apps rollout 1.4 ${field} --percent 100`],
    (parts, options, c, version) => parts.runRollout(version, options, c),
  );
  add<HaltOptions>(
    ofChannel(apps.command('halt'))
      .requiredOption('--why <text>', 'for those who find it halted')
      .summary('offer a release to nobody else')
      .description('Devices that have it keep it; `apps rollback` takes it back from them.'),
    'apps halt',
    [`apps halt ${field} --why 'crashes on old phones'`],
    (parts, options, c) => parts.runHalt(options.why, options, c),
  );
  add<HaltOptions>(
    ofChannel(apps.command('resume'))
      .summary('go on with a rollout that was halted')
      .description('What devices report is counted anew from now on.'),
    'apps resume',
    [`apps resume ${field}`],
    (parts, options, c) => parts.runHalt('', options, c),
  );
  add<HaltOptions>(
    ofChannel(apps.command('rollback').argument('<version>', 'the release that is bad'))
      .summary('withdraw a release, and go back to the one before')
      .description('Also devices that have it are offered the release before: its withdrawal is signed.'),
    'apps rollback',
    [`apps rollback 1.4 ${field}`],
    (parts, options, c, version) => parts.runRollback(version, options, c),
  );
  add<VersionsOptions>(
    ofApp(apps.command('versions'))
      .option('--min <version>', 'the lowest that may open sessions (default: any)', '')
      .option('--blocked <version...>', 'not these')
      .summary('which versions may open sessions')
      .description(
        'Replaces what was said before; without options every version may. Sessions that are open go on. The policy can end them (`apps` in it): an app has its versions there or here, not in both.',
      ),
    'apps versions',
    [`apps versions ${field} --min 1.2 --blocked 1.3.1`],
    (parts, options, c) => parts.runVersions(options, c),
  );
  add<AppOptions>(
    ofApp(apps.command('remove').argument('<version>', 'which release'))
      .summary('forget a release and its bytes')
      .description('Refused while a channel offers it, or goes back to it.'),
    'apps remove',
    [`apps remove 1.1 ${field}`],
    (parts, options, c, version) => parts.runRemove(version, options, c),
  );
  add<AppOptions>(
    apps
      .command('rotate-keys')
      .argument('<role>', 'root, targets, snapshot, timestamp, or app.<id>')
      .summary("replace a role's signing keys")
      .description('Devices find the new keys by a root that the old ones have signed.'),
    'apps rotate-keys',
    ['apps rotate-keys timestamp', 'apps rotate-keys app.com.example.field'],
    (parts, _, c, role) => parts.runRotate(role, c),
  );
}

type Body<O extends AppOptions> = Parameters<typeof withCommon<O>>[4];
