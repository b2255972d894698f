import { join } from 'node:path';
import type { Bench, BenchContext } from './harness/context.ts';
import { loadCore, serverCore } from './harness/cores.ts';
import { type Figure, plainFigure, ratioFigure, undecided } from './harness/figure.ts';
import { type Contender, interleave, rateOf } from './harness/interleave.ts';
import type { BenchProcess } from './harness/process.ts';
import type { AuthorizeStreamLoad, StreamAnswer } from './load/authorize-stream.ts';
import type { GrpcLoad } from './load/grpc.ts';
import { asProxy, authorizeRequests, base64, startTier, streamQuestions } from './tier.ts';

const unaryGoal = { atLeast: 0.8 };
const streamGoal = { atLeast: 8 };
const unit = 'requests per CPU second, as a ratio to a bare grpc-js unary echo';

export const authorize: Bench = {
  name: 'authorize',
  about: 'Authorize and AuthorizeStream of a security process beside a bare grpc-js echo',
  run: async (context) => {
    const tier = await startTier(context);
    const sessions = await tier.sessions(8);
    const socket = tier.pod.grpcSocket;
    const service = '/sallyport.authorize.v1.ProxyAuthorize';
    const common = { socket, headers: asProxy, leastBytes: 200 } as const;
    const ours = (name: string, load: GrpcLoad) => contender(context, name, tier.pid, load);
    const streamLoad: AuthorizeStreamLoad = {
      ...{ ...common, path: `${service}/AuthorizeStream`, inFlight: 256, maxTogether: 64 },
      questions: streamQuestions(sessions),
    };
    const stream = await context.start('load/authorize-stream.ts', loadCore, streamLoad);
    const together: Together = { asked: [], answered: [] };
    const contenders = [
      ...(await echoes(context)),
      await ours('authorize', {
        ...{ ...common, path: `${service}/Authorize`, kind: 'unary', inFlight: 50 },
        requests: authorizeRequests(sessions),
      }),
      { name: 'authorize-stream', pids: [tier.pid], load: counted(stream, together) },
    ];
    const goals = { authorize: unaryGoal, 'authorize-stream': streamGoal };
    const rates = await interleave(context, contenders, (so) =>
      Object.entries(goals).some(([name, goal]) => undecided(rateOf(so, name), rateOf(so, 'echo'), goal)),
    );
    const figures: Figure[] = Object.entries(goals).map(([what, goal]) =>
      ratioFigure({ name: `authorize.${what}`, unit, goal }, rateOf(rates, what), rateOf(rates, 'echo')),
    );
    figures.push(
      ratioFigure(
        { name: 'authorize.echo-stream', unit },
        rateOf(rates, 'echo-stream'),
        rateOf(rates, 'echo'),
      ),
    );
    const perMessage = (name: string, values: readonly number[]): Figure =>
      plainFigure({ name: `authorize.authorize-stream.${name}`, unit: 'in a message, on average' }, values);
    figures.push(perMessage('questions', together.asked), perMessage('answers', together.answered));
    for (const { name } of contenders) {
      figures.push(
        plainFigure({ name: `authorize.${name}.rate`, unit: 'requests per CPU second' }, rateOf(rates, name)),
      );
    }
    return figures;
  },
};

/** Questions and answers in a message, one average for each run. */
interface Together {
  readonly asked: number[];
  readonly answered: number[];
}

/** Notes how many went together. */
function counted(load: BenchProcess, together: Together): Contender['load'] {
  return {
    ask: async (value) => {
      const answer = (await load.ask(value)) as StreamAnswer;
      together.asked.push(answer.done / answer.messages.asked);
      together.answered.push(answer.done / answer.messages.answered);
      return answer;
    },
  };
}

/** A process and its load. */
export async function contender(
  context: BenchContext,
  name: string,
  pid: number,
  load: GrpcLoad,
): Promise<Contender> {
  return { name, pids: [pid], load: await context.start('load/grpc.ts', loadCore, load) };
}

/** grpc-js alone, with 100 bytes: by unary calls, and what is the most that any stream can reach. */
async function echoes(context: BenchContext): Promise<Contender[]> {
  const socket = join(context.dir, 'echo.sock');
  const server = await context.start('servers/grpc-echo.ts', serverCore, { socket });
  const load = { socket, headers: {}, requests: [base64(new Uint8Array(100))], leastBytes: 100 };
  return [
    await contender(context, 'echo', server.pid, {
      ...{ ...load, path: '/bench.Echo/Echo', kind: 'unary', inFlight: 50 },
    }),
    await contender(context, 'echo-stream', server.pid, {
      ...{ ...load, path: '/bench.Echo/EchoStream', kind: 'stream', inFlight: 256 },
    }),
  ];
}
