import type { Bench } from './harness/context.ts';
import { loadCore, serverCore } from './harness/cores.ts';
import { plainFigure, ratioFigure, undecided } from './harness/figure.ts';
import { interleave, rateOf } from './harness/interleave.ts';
import { ada, startTier } from './tier.ts';

const goal = { atMost: 1.15 };

export const open: Bench = {
  name: 'open',
  about: 'OpenSession in a security process beside the Argon2id that is in it',
  run: async (context) => {
    const tier = await startTier(context);
    const { name: user, password } = ada;
    const argon2 = await context.start('servers/argon2.ts', serverCore, { password });
    const { connectSocket } = tier.pod;
    const load = { connectSocket, user, password, devices: 8, inFlight: 4 };
    const contenders = [
      { name: 'argon2id', pids: [argon2.pid], load: argon2 },
      { name: 'open', pids: [tier.pid], load: await context.start('load/open.ts', loadCore, load) },
    ];
    // What opening costs, so the other way round.
    const rates = await interleave(context, contenders, (so) =>
      undecided(rateOf(so, 'argon2id'), rateOf(so, 'open'), goal),
    );
    const unit = 'CPU of OpenSession, as a ratio to its Argon2id alone';
    return [
      ratioFigure({ name: 'open.session', unit, goal }, rateOf(rates, 'argon2id'), rateOf(rates, 'open')),
      ...contenders.map(({ name }) =>
        plainFigure(
          { name: `open.${name}.cpu`, unit: 'milliseconds of CPU each' },
          rateOf(rates, name).map((rate) => 1000 / rate),
        ),
      ),
    ];
  },
};
