import { type Command, Option } from 'commander';
import { podRoles } from '#compose/topology/types.ts';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { RenderCommandOptions } from './render.ts';
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
}

const withPlan = (command: Command): Command =>
  command
    .option('--file <mesh.yaml>', 'a mesh.yaml that names what differs (default: that of the running mesh)')
    .option('--patches <dir>', 'a folder of patches (default: envoy/patches)');

const roleOption = (): Option => new Option('--role <role>', 'of this role only').choices(podRoles);
