import { randomUUID } from 'node:crypto';
import { SallyportError } from '#core/errors/error.ts';
import type { StepOptions, StepRun, TaskContext } from '../engine/definition.ts';
import type { Json } from '../engine/json.ts';
import { defaultRetry } from '../engine/retry.ts';
import type { Connector } from './connector.ts';

/** Characters of a name of an effect: what is added to it must fit into the journal, too. */
const maxName = 60;

/**
 * An effect as a step of a task, had once whatever dies.
 * @throws EFFECT_UNKNOWN when it is one that may not be begun twice, and nobody knows whether it was; what the
 *   connector throws
 */
export function runEffect<Request, Result extends Json>(
  context: TaskContext,
  name: string,
  connector: Connector<Request, Result>,
  request: Request,
  options: StepOptions<Result> = {},
): Promise<Result> {
  if (name.length > maxName) throw new TypeError(`"${name}" is too long for the name of an effect`);
  const act = (run: StepRun): Promise<Result> => connector.act(request, run);
  return connector.deduplicates(request) === 'once'
    ? once(context, name, act, options)
    : context.step(name, act, options);
}

type Told<T extends Json> =
  | { readonly outcome: 'done'; readonly value: T }
  | { readonly outcome: 'nothing'; readonly message: string };

/**
 * That it is begun is journaled before it is. Whoever finds that in the journal without having written it does not
 * begin. What certainly was not done is tried again, as often as the policy says.
 */
async function once<T extends Json>(
  context: TaskContext,
  name: string,
  act: (run: StepRun) => Promise<T>,
  { retry, undo }: StepOptions<T>,
): Promise<T> {
  const { attempts, firstMs, longestMs } = { ...defaultRetry, ...retry };
  for (let n = 1; ; n++) {
    const mine = randomUUID();
    const begun = await context.step<string>(`${name}, begun ${n}`, async () => mine);
    const told = await context.step<Told<T>>(
      `${name}, ${n}`,
      async (run) => {
        if (begun !== mine) throw unknown(name);
        try {
          return { outcome: 'done', value: await act(run) };
        } catch (thrown) {
          const { reason, message } = SallyportError.from(thrown);
          if (reason === 'TARGET_UNREACHABLE') return { outcome: 'nothing', message };
          // Which of the two it was is not to be found out by asking again.
          throw reason === 'TARGET_SILENT' ? unknown(name, thrown) : thrown;
        }
      },
      {
        retry: { attempts: 1 },
        ...(undo && {
          undo: async (done, run) => (done.outcome === 'done' ? undo(done.value, run) : undefined),
        }),
      },
    );
    if (told.outcome === 'done') return told.value;
    if (n >= attempts) throw new SallyportError('TARGET_UNREACHABLE', { message: told.message });
    await context.sleep(`${name}, pause ${n}`, Math.min(firstMs * 2 ** (n - 1), longestMs));
  }
}

const unknown = (name: string, cause?: unknown): SallyportError =>
  new SallyportError('EFFECT_UNKNOWN', { message: `whether "${name}" took effect is not known`, cause });
