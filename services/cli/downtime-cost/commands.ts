import { type Command, InvalidArgumentError, Option } from 'commander';
import { withCommon } from '../command.ts';
import type { CliContext } from '../context.ts';
import type { DowntimeCostOptions } from './run-downtime-cost.ts';

/** `downtime-cost` */
export function addDowntimeCostCommand(program: Command, context: CliContext, end: { code: number }): void {
  const command = program
    .command('downtime-cost')
    .summary('what downtime costs, and what each architecture saves')
    .description(
      'Works out what an outage costs by the productivity that is lost, and for four architectures ' +
        'availability, yearly cost, return, payback and break-even. Durations are what the drills have measured ' +
        'where they have. Needs no mesh. What you do not give is assumed: --show-assumptions prints it all.',
    )
    .option('--example', "the textbook's example, and nothing else")
    .option('--file <file>', 'YAML or JSON with what differs from the assumptions; - is standard input')
    .option('--population <n>', 'people who may need the service', amount)
    .option('--resets <n>', 'password resets a day', amount)
    .option('--hires <n>', 'new hires a day', amount)
    .option('--working-hours <n>', 'working hours a day', amount)
    .option('--rate <dollars>', "worth of a person's hour", amount)
    .option('--share <share>', 'what of it is lost, 0 to 1', amount)
    .option('--people <n>', 'people affected; default: as the rates say', amount)
    .option('--outage <hours>', 'length of the outage; default 1', amount)
    .option('--drills <file>', 'results of the drills; default: of the last run that was kept')
    .addOption(
      new Option('--format <format>', 'of the report').choices(['text', 'csv', 'html']).default('text'),
    )
    .option('--out <file>', 'write the report there')
    .option('--show-assumptions', 'print what is counted with, and where it comes from')
    .addHelpText(
      'after',
      `
Examples:
  sallyport downtime-cost --example
  sallyport downtime-cost --population 5000 --resets 40 --hires 4 --rate 60 --outage 3
  sallyport downtime-cost --show-assumptions > ours.yaml
  sallyport downtime-cost --file ours.yaml --format html --out downtime.html`,
    );
  withCommon<DowntimeCostOptions>(command, 'downtime-cost', context, end, async (options, given) => {
    const { runDowntimeCost } = await import('./run-downtime-cost.ts');
    return runDowntimeCost(options, given);
  });
}

/** A number as people write it; what it may be is judged where it is used, with a reason. */
function amount(text: string): number {
  const value = Number(text.replaceAll(/[, _$]/g, ''));
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}
