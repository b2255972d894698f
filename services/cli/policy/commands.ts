import { type Command, Option } from 'commander';
import { wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import { type ListOptions, withPages } from '../list.ts';
import type { PolicyExplainOptions } from './explain.ts';
import { addProposalCommands } from './proposal-commands.ts';
import type { PolicyApplyOptions, PolicyDiffOptions, PolicyShowOptions } from './run-policy.ts';
import type { PolicyTestOptions } from './test-policy.ts';

const version = wholeNumber(1, Number.MAX_SAFE_INTEGER);

/** `policy show`, `apply`, `diff`, `test`, `explain`, `versions`, and what proposal-commands.ts adds. */
export function addPolicyCommands(program: Command, context: CliContext, end: { code: number }): void {
  const policy = program
    .command('policy')
    .summary('who may reach what')
    .description('The policy is one document in YAML or JSON, replaced whole; each replacement is a version.')
    .addHelpText(
      'after',
      `
Examples:
  sallyport policy show > policy.yaml
  sallyport policy diff policy.yaml
  sallyport policy apply policy.yaml`,
    );

  const show = policy
    .command('show')
    .summary('the policy in force, or an older version')
    .description('Writes the document to standard output.')
    .option('--version <n>', 'which version (default: the newest)', version)
    .addOption(new Option('--output <form>', 'in which form').choices(['yaml', 'json']).default('yaml'))
    .addHelpText('after', '\nExamples:\n  sallyport policy show --version 3 --output json');
  withCommon<PolicyShowOptions>(show, 'policy show', context, end, async (options, command) => {
    const { runPolicyShow } = await import('./run-policy.ts');
    return runPolicyShow(options, command);
  });

  const apply = policy
    .command('apply')
    .argument('<file>', 'the document; - is standard input')
    .summary('make a document the policy')
    .description('Every pod and proxy decides by it within seconds; requests that are under way go on.')
    .option(
      '--dry-run',
      'only tell what would change for those who are logged in, and about recorded decisions',
    )
    .option('--expect <version>', 'only if this version is in force', version)
    .addHelpText(
      'after',
      `
Examples:
  sallyport policy apply --dry-run policy.yaml
  sallyport policy apply --expect 3 policy.yaml`,
    );
  withCommon<PolicyApplyOptions>(
    apply,
    'policy apply',
    context,
    end,
    async (options, command, [file = '']) => {
      const { runPolicyApply } = await import('./run-policy.ts');
      return runPolicyApply(file, options, command);
    },
  );

  const diff = policy
    .command('diff')
    .argument('[file]', 'the document; - is standard input')
    .summary('what a document would change')
    .description(
      'Names the resources that differ from the policy in force, what differs about each, and who would gain or lose them: of those who are logged in, and by recorded decisions, of which each security pod keeps a sample for two weeks.',
    )
    .option('--proposal <id>', 'what a proposal would change', wholeNumber(1, 999_999_999))
    .addHelpText(
      'after',
      '\nExamples:\n  sallyport policy diff policy.yaml\n  sallyport policy diff --proposal 7',
    );
  withCommon<PolicyDiffOptions>(diff, 'policy diff', context, end, async (options, command, [file = '']) => {
    const { runPolicyDiff } = await import('./run-policy.ts');
    return runPolicyDiff(file, options, command);
  });

  const test = policy
    .command('test')
    .argument('<file>', 'what is expected')
    .summary('try a document against expectations')
    .description(
      'Decides requests here, without a mesh. Exit code 1 when one is decided otherwise than expected.',
    )
    .option('--policy <file>', 'the document (default: the one that the file names)')
    .addHelpText(
      'after',
      `
A file of expectations, in YAML:
  policy: policy.yaml
  tests:
    - user: anna
      groups: [staff]
      app: {id: com.example.field, version: "1.4", platform: android}
      request: GET intranet.example/payroll
      at: 2026-01-05T08:00:00Z
      expect: deny
      reason: NO_RULE

Examples:
  sallyport policy test expectations.yaml
  sallyport policy test --policy draft.yaml expectations.yaml --json`,
    );
  withCommon<PolicyTestOptions>(test, 'policy test', context, end, async (options, command, [file = '']) => {
    const { runPolicyTest } = await import('./test-policy.ts');
    return runPolicyTest(file, options, command);
  });

  const explain = policy
    .command('explain')
    .argument('<url>', 'host or name of a resource, and path: intranet.example/payroll')
    .summary('why a request is allowed or denied')
    .description('Decides a request as if the user made it now, and tells what became of each rule.')
    .requiredOption('--user <name>', 'whose request')
    .option('--app <id>', 'from which app (default: none, as people at a console)')
    .option('--app-version <version>', 'its version', '')
    .option('--platform <name>', 'ios, android, web, …', '')
    .option('--os-version <version>', 'version of the system', '')
    .option('--posture <claim...>', 'what the app claims of the device, as name=value')
    .option('--address <ip>', 'where the phone is', '')
    .option('--site <name>', 'at which site it asks, where there are two', '')
    .option('-X, --request <method>', 'the method', 'GET')
    .option('--policy <file>', 'by this document (default: the policy in force)')
    .addHelpText(
      'after',
      `
Examples:
  sallyport policy explain --user anna intranet.example/payroll
  sallyport policy explain --user anna --app com.example.field --app-version 1.1 intranet.example/payroll`,
    );
  withCommon<PolicyExplainOptions>(
    explain,
    'policy explain',
    context,
    end,
    async (options, command, [url = '']) => {
      const { runPolicyExplain } = await import('./explain.ts');
      return runPolicyExplain(url, options, command);
    },
  );

  addProposalCommands(policy, context, end);

  const versions = withPages(policy.command('versions'))
    .summary('all that have been in force')
    .description('Lists versions, newest first.')
    .addHelpText('after', '\nExamples:\n  sallyport policy versions --limit 5');
  withCommon<ListOptions>(versions, 'policy versions', context, end, async (options, command) => {
    const { runPolicyVersions } = await import('./run-policy.ts');
    return runPolicyVersions(options, command);
  });
}
