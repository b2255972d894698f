import { type Command, Option } from 'commander';
import { podRoles } from '#compose/topology/types.ts';
import { dumpTypes } from '#envoy/admin/config-dump.ts';
import { addApplyCommand } from '../change/commands.ts';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { AnalyzeOptions } from './analyze.ts';
import type { ConfigOptions } from './config.ts';
import type { ExplainOptions } from './explain.ts';
import type { PlanOptions } from './plan.ts';
import type { RenderCommandOptions } from './render.ts';
import type { SyncStatusOptions } from './sync-status.ts';
import type { ValidateCommandOptions } from './validate.ts';

/** `mesh …`: what sidecars are told, and what they make of it. */
export function addSidecarCommands(program: Command, context: CliContext, end: { code: number }): void {
  const mesh = program
    .command('mesh')
    .summary('configure the sidecars, and see what they do')
    .description('What every Envoy of the mesh is told, what it has taken, and where it sends a call.')
    .addHelpText(
      'after',
      `
Examples:
  sallyport mesh validate --file my-mesh.yaml     would it work
  sallyport mesh render proxy-0                   what an Envoy is told`,
    );

  const render = withPlan(mesh.command('render'))
    .argument('[pod]', 'whose (default: of all pods)')
    .summary("what a pod's Envoy is told")
    .description(
      'Writes the bootstrap and all xDS resources of sidecars: those of the running mesh, or, when none runs,\n' +
        'of an example with one pod of each role. The same input gives the same bytes; nothing secret is in it.',
    )
    .addOption(roleOption())
    .option('--out <dir>', 'write files there, a folder for each pod, as its Envoy reads them')
    .option('--yaml', 'as YAML; JSON otherwise')
    .addHelpText(
      'after',
      `
Examples:
  sallyport mesh render proxy-0 --yaml
  sallyport mesh render --role edge --file my-mesh.yaml
  sallyport mesh render --out rendered --patches my-patches
  sallyport mesh render sec-0 | jq '.cds[].name'`,
    );
  withCommon<RenderCommandOptions>(render, 'mesh render', context, end, async (options, command, [pod]) => {
    const { runRender } = await import('./render.ts');
    return runRender(pod, options, command);
  });

  const validate = withPlan(mesh.command('validate'))
    .argument('[pod]', 'whose (default: of all pods)')
    .summary('whether a configuration would work')
    .description(
      'Checks every field, then every name and peer identity, then puts each bootstrap and all resources through\n' +
        'the real Envoy, in a folder of its own. A running mesh is not touched. Exit code 1 for an error.',
    )
    .addOption(roleOption())
    .option('--strict', 'warnings are errors, too')
    .addHelpText(
      'after',
      `
Findings name the pod, the resource (cds/proxy is cluster proxy), and the patch files that touched it;
docs/ERRORS.md lists their codes.

Examples:
  sallyport mesh validate
  sallyport mesh validate --file my-mesh.yaml --patches my-patches
  sallyport mesh validate --role edge --strict
  sallyport mesh validate --json | jq '.items[] | {code, pod, where}'`,
    );
  withCommon<ValidateCommandOptions>(
    validate,
    'mesh validate',
    context,
    end,
    async (options, command, [pod]) => {
      const { runValidate } = await import('./validate.ts');
      return runValidate(pod, options, command);
    },
  );

  const diff = withPlan(mesh.command('diff'))
    .argument('[pod]', 'whose (default: of all pods)')
    .summary('what a configuration would change in the running mesh')
    .description(
      'Resource by resource: which pods it concerns, which fields, what becomes of what goes on, and which sidecars\n' +
        'would have to be started again. Changes nothing.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport mesh diff --file my-mesh.yaml
  sallyport mesh diff proxy-0 --patches my-patches
  sallyport mesh diff --file my-mesh.yaml --json | jq '.items[] | select(.restart) | .pod'`,
    );
  withCommon<PlanOptions>(diff, 'mesh diff', context, end, async (options, command, [pod]) => {
    const { runDiff } = await import('./diff.ts');
    return runDiff(pod, options, command);
  });

  const status = mesh
    .command('status')
    .argument('[pod]', 'whose (default: of all pods)')
    .summary('which sidecars run with what is on disk')
    .description(
      'Asks every sidecar which version of each resource file it runs with. SYNCED: what is on disk. STALE: something\n' +
        'older. NACK: it has refused what is on disk, and why. Exit code 1 unless all are SYNCED.',
    )
    .option('-v, --verbose', 'tell of every resource file')
    .addHelpText(
      'after',
      `
Examples:
  sallyport mesh status
  sallyport mesh status proxy-0 --verbose
  sallyport mesh status --json | jq '.items[] | {pod, draining, sync: [.sync[] | select(.state != "SYNCED")]}'`,
    );
  withCommon<SyncStatusOptions>(status, 'mesh status', context, end, async (options, command, [pod]) => {
    const { runSyncStatus } = await import('./sync-status.ts');
    return runSyncStatus(pod, options, command);
  });

  const config = mesh
    .command('config')
    .argument('<pod>', 'whose sidecar')
    .summary('what a sidecar runs with')
    .description('Reads the configuration out of a running Envoy, secrets redacted, as tables or whole.')
    .addOption(new Option('--type <type>', 'of this type only').choices(dumpTypes))
    .option('--name <name>', 'the resource of this name only')
    .option('--full', 'the resources themselves, as JSON')
    .option('--yaml', 'the same as YAML')
    .addHelpText(
      'after',
      `
Examples:
  sallyport mesh config proxy-0
  sallyport mesh config proxy-0 --type endpoints
  sallyport mesh config edge-0 --type routes --name public
  sallyport mesh config sec-0 --type clusters --name db-rw --yaml`,
    );
  withCommon<ConfigOptions>(config, 'mesh config', context, end, async (options, command, [pod = '']) => {
    const { runConfig } = await import('./config.ts');
    return runConfig(pod, options, command);
  });

  const analyze = withPlan(mesh.command('analyze'))
    .summary('what in the mesh and its knobs will hurt')
    .description(
      'Looks at knobs that contradict each other or what was measured, at tiers that one loss stops, and, of a running\n' +
        'mesh, at what sidecars have refused, endpoints that get no calls, limits that are near, and certificates.\n' +
        'Each finding has a code, a severity, a place and what to do. Exit code 1 for an error.',
    )
    .option('--strict', 'warnings are errors, too')
    .addHelpText(
      'after',
      `
docs/ERRORS.md lists the codes.

Examples:
  sallyport mesh analyze
  sallyport mesh analyze --file my-mesh.yaml --strict
  sallyport mesh analyze --json | jq '.items[] | select(.severity == "error")'`,
    );
  withCommon<AnalyzeOptions>(analyze, 'mesh analyze', context, end, async (options, command) => {
    const { runAnalyze } = await import('./analyze.ts');
    return runAnalyze(options, command);
  });

  const explain = mesh
    .command('explain')
    .argument('<pod>', 'whose sidecar is asked')
    .argument('[key]', 'a route key, or a session id, which begins with one')
    .summary('where a call goes, and why')
    .description(
      'Follows a call through a running sidecar and into the one at the other end: listener, route, time-outs and\n' +
        'retries, the owner of the route key and who comes after it, health, who may call, and the socket of the\n' +
        'process. Computed from what the Envoys run with; --probe asks the real Envoy, too. Exit code 1 if it does\n' +
        'not arrive.',
    )
    .option(
      '--request <request>',
      "method and path, as in 'POST /package.Service/Method' (default: Authorize; Relay/Stream at edges)",
    )
    .option('--listener <name>', 'the way out (default: public at edges, else out)')
    .option('--authority <host>', 'the host that is asked for; of listener backends the cluster')
    .option('--probe', 'send 20 health checks with the key, and see where the real Envoy takes them')
    .addHelpText(
      'after',
      `
Examples:
  sallyport mesh explain proxy-0 JYxkB2b5r9sQwM7GhTn1Vg --probe
  sallyport mesh explain edge-0 --request 'POST /sallyport.session.v1.SessionService/Login'
  sallyport mesh explain proxy-0 --request 'POST /sallyport.keystore.v1.KeyStore/CreateActivation'
  sallyport mesh explain proxy-0 --listener backends --authority intranet --request 'GET /news'`,
    );
  withCommon<ExplainOptions>(
    explain,
    'mesh explain',
    context,
    end,
    async (options, command, [pod = '', key]) => {
      const { runExplain } = await import('./explain.ts');
      return runExplain(pod, key, options, command);
    },
  );
  addApplyCommand(mesh, context, end);
}

const withPlan = (command: Command): Command =>
  command
    .option('--file <mesh.yaml>', 'a mesh.yaml that names what differs (default: that of the running mesh)')
    .option('--patches <dir>', 'a folder of patches (default: envoy/patches)');

const roleOption = (): Option => new Option('--role <role>', 'of this role only').choices(podRoles);
