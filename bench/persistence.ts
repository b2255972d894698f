import type { Bench, BenchContext } from './harness/context.ts';
import { loadCore, pin } from './harness/cores.ts';
import { cpuSecondsOf } from './harness/cpu.ts';
import { plainFigure, ratioFigure, undecided } from './harness/figure.ts';
import { type Contender, interleave, rateOf, type SliceAnswer } from './harness/interleave.ts';
import type { OpenLoad } from './load/open.ts';
import { ada, startTier } from './tier.ts';

const goal = { atMost: 1.02 };
const ways = ['off', 'on'] as const;

/** A contender that also says what each login costs the database, in milliseconds of CPU, one value an answer. */
interface Watched extends Contender {
  readonly databaseMs: readonly number[];
}

export const persistence: Bench = {
  name: 'persistence',
  about: 'a login with session persistence on beside one with it off, each on a database of its own',
  run: async (context) => {
    const contenders: Watched[] = [];
    for (const way of ways) contenders.push(await startContender(context, way));
    // What a login costs, so the other way round.
    const rates = await interleave(context, contenders, (so) =>
      undecided(rateOf(so, 'off'), rateOf(so, 'on'), goal),
    );
    const unit = 'CPU of the security process a login, as a ratio of on to off';
    return [
      ratioFigure({ name: 'persistence.login', unit, goal }, rateOf(rates, 'off'), rateOf(rates, 'on')),
      ...ways.map((way) =>
        plainFigure(
          { name: `persistence.${way}.cpu`, unit: 'milliseconds of CPU a login' },
          rateOf(rates, way).map((rate) => 1000 / rate),
        ),
      ),
      ...contenders.map(({ name, databaseMs }) =>
        plainFigure(
          { name: `persistence.${name}.database`, unit: "milliseconds of MySQL's CPU a login" },
          databaseMs,
        ),
      ),
    ];
  },
};

async function startContender(context: BenchContext, way: (typeof ways)[number]): Promise<Watched> {
  const tier = await startTier(context, { sessions: { persistence: way } });
  pin(tier.mysqldPid, loadCore);
  const { connectSocket } = tier.pod;
  const options: OpenLoad = {
    ...{ connectSocket, user: ada.name, password: ada.password },
    ...{ devices: 8, inFlight: 4 },
  };
  const load = await context.start('load/open.ts', loadCore, options);
  const databaseMs: number[] = [];
  return {
    name: way,
    pids: [tier.pid],
    databaseMs,
    load: {
      ask: async (value) => {
        const before = cpuSecondsOf(tier.mysqldPid);
        const answer = (await load.ask(value)) as SliceAnswer;
        databaseMs.push((1000 * (cpuSecondsOf(tier.mysqldPid) - before)) / answer.done);
        return answer;
      },
    },
  };
}
