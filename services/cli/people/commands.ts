import type { Command } from 'commander';
import { collect, wholeNumber, withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { LoginOptions } from './run-people.ts';

/** `login`, `logout` and `whoami`. */
export function addPeopleCommands(program: Command, context: CliContext, end: { code: number }): void {
  const login = program
    .command('login')
    .argument('<user>', 'who you are')
    .summary('speak for yourself instead of for the operator')
    .description(
      'Logs a person in through an edge. The administrative commands then speak for that person, who needs a\n' +
        'role (`sallyport users set`), and the edges have to let them through (edge.admin_api in envoy/mesh.yaml).\n' +
        'The token lies in <state>/login.json, readable by its owner only. The password comes from a file, from\n' +
        'SALLYPORT_PASSWORD, or is asked for.\n\n' +
        'With --oidc the OpenID provider of the company says who you are, and has to know you by\n' +
        '<user>: open the address that is printed in a browser on this machine, which comes back here.\n' +
        'With --password-file as well both are shown, which counts as two ways.',
    )
    .option('--password-file <file>', 'file whose first line is the password; - is standard input')
    .option('--oidc [issuer]', 'log in by OpenID Connect; the issuer is needed where there are several')
    .option('--param <name=value>', 'what else to ask the provider for: acr_values, scope, prompt …', collect)
    .option('--port <n>', 'port to come back to, where the provider wants it named', wholeNumber(1, 65_535))
    .option('--wait <seconds>', 'how long the browser may take (default: 300)', wholeNumber(1, 3600))
    .option('--edge <url...>', 'edges of a mesh elsewhere (default: those of the mesh that runs here)')
    .option('--ca <file>', 'root that their certificates are checked by')
    .addHelpText(
      'after',
      `
Examples:
  sallyport login carla
  sallyport login carla --oidc
  sallyport login carla --oidc https://id.example --param acr_values=mfa
  sallyport login carla --edge https://edge.example --ca public-ca.crt`,
    );
  withCommon<LoginOptions>(login, 'login', context, end, async (options, command, [user = '']) => {
    const { runLogin } = await import('./run-people.ts');
    return runLogin(user, options, command);
  });

  const logout = program
    .command('logout')
    .summary('end that')
    .description('Ends the session of `sallyport login` and forgets the token. Devices are not concerned.')
    .addHelpText('after', '\nExamples:\n  sallyport logout');
  withCommon(logout, 'logout', context, end, async (_, command) => {
    const { runLogout } = await import('./run-people.ts');
    return runLogout(command);
  });

  const whoami = program
    .command('whoami')
    .summary('for whom commands speak')
    .description('Asks the mesh whose token this is.')
    .addHelpText('after', '\nExamples:\n  sallyport whoami --json');
  withCommon(whoami, 'whoami', context, end, async (_, command) => {
    const { runWhoami } = await import('./run-people.ts');
    return runWhoami(command);
  });
}
