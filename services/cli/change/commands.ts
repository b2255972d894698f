import type { Command } from 'commander';
import { scalable } from '#compose/runner/change/scalable.ts';
import { type CommonOptions, wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { ApplyCommandOptions, RestartCommandOptions } from './run-changes.ts';

/** What changes a running mesh: `restart`, `scale`, `drain`, `undrain` and `certs rotate`. */
export function addChangeCommands(program: Command, context: CliContext, end: { code: number }): void {
  const restart = program
    .command('restart')
    .argument('[pods...]', 'which')
    .summary('restart pods without losing a call')
    .description(
      'Restarts pods one after the other: each is taken out of rotation, finishes or gives away what it holds,\n' +
        'is stopped and started, and gets calls again once it serves. Of the database the primary comes last.',
    )
    .option(
      '--tier <tiers...>',
      'all pods of a tier: db, security, worker, backend, gateway, proxy, edge, service',
    )
    .option('--all', 'all pods, from the database out; sidecars of services must be named')
    .option('--rolling', 'one after the other, which is how it is done anyway')
    .option('--parallel <n>', 'pods of a tier at a time', wholeNumber(1, 9), 1)
    .addHelpText(
      'after',
      `
Ctrl-C ends it after the pod that it is at.

Examples:
  sallyport restart --rolling --all
  sallyport restart --tier security
  sallyport restart proxy-0 edge-1`,
    );
  withCommon<RestartCommandOptions>(restart, 'restart', context, end, async (options, command, pods) => {
    const { runRestart } = await import('./run-changes.ts');
    return runRestart(pods, options, command);
  });

  const scale = program
    .command('scale')
    .argument('<tier>', `${Object.keys(scalable).join(', ')}; gw-<group> for a group of gateways`)
    .argument('<n>', 'how many pods')
    .summary('have more or fewer pods of a tier')
    .description(
      'Adds pods, which serve before anybody calls them, or takes the highest-numbered ones out, which have\n' +
        'finished before they are stopped. The next `sallyport up` starts as many.',
    )
    .addHelpText(
      'after',
      `
Examples:
  sallyport scale security 4
  sallyport scale proxies 2
  sallyport scale gw-hr 3`,
    );
  withCommon<CommonOptions>(scale, 'scale', context, end, async (_, command, [tier = '', size = '']) => {
    const { runScale } = await import('./run-changes.ts');
    return runScale(tier, size, command);
  });

  for (const [verb, what, summary] of [
    [
      'drain',
      'Takes a pod out of rotation: it gets no new calls and asks its devices to go elsewhere.',
      'take a pod out of rotation',
    ],
    ['undrain', 'Gives a pod that was drained calls again.', 'put a pod back into rotation'],
  ] as const) {
    const command = program
      .command(verb)
      .argument('<pod>', 'a security, proxy, backend or gateway pod')
      .summary(summary)
      .description(`${what}\nA mesh that is started anew has nobody drained.`)
      .addHelpText('after', `\nExamples:\n  sallyport ${verb} proxy-1`);
    withCommon<CommonOptions>(command, verb, context, end, async (_, given, [pod = '']) => {
      const { runDrain } = await import('./run-changes.ts');
      return runDrain(verb, pod, given);
    });
  }

  const certs = program
    .command('certs')
    .summary('certificates of the mesh')
    .description('Certificates of the mesh.')
    .addHelpText('after', '\nExamples:\n  sallyport certs rotate');
  const rotate = certs
    .command('rotate')
    .summary('issue all certificates anew, now')
    .description(
      'Issues every certificate anew and hands it to the sidecars and mysqlds; connections stay. With --roots the\n' +
        'authority of the mesh is replaced, too. That of edges for phones stays: phones know it.',
    )
    .option('--roots', 'replace the authority: trust the new one, use it, drop the old one')
    .addHelpText(
      'after',
      `
Examples:
  sallyport certs rotate
  sallyport certs rotate --roots`,
    );
  withCommon<CommonOptions & { roots?: boolean }>(
    rotate,
    'certs rotate',
    context,
    end,
    async (options, command) => {
      const { runRotate } = await import('./run-changes.ts');
      return runRotate(options.roots === true, command);
    },
  );
}

/** `mesh apply`. */
export function addApplyCommand(mesh: Command, context: CliContext, end: { code: number }): void {
  const apply = mesh
    .command('apply')
    .summary('give the running mesh another configuration')
    .description(
      'Tries a configuration on Envoys that serve nobody, hands it to the sidecars, and waits until all have taken\n' +
        'it. If one refuses, all go on with what they had. The next `sallyport up` starts with it.',
    )
    .option('--file <mesh.yaml>', 'a mesh.yaml that names what differs (default: envoy/mesh.yaml)')
    .option('--patches <dir>', 'a folder of patches (default: envoy/patches)')
    .option('--dry-run', 'only say what would change')
    .option('--restart', 'restart, one after the other, what takes its part only so')
    .addHelpText(
      'after',
      `
Examples:
  sallyport mesh apply --file my-mesh.yaml --dry-run
  sallyport mesh apply --file my-mesh.yaml --patches my-patches
  sallyport mesh apply                            back to what the release has`,
    );
  withCommon<ApplyCommandOptions>(apply, 'mesh apply', context, end, async (options, command) => {
    const { runApply } = await import('./run-changes.ts');
    return runApply(options, command);
  });
}
