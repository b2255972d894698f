import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SdkListener } from '#sdk/events.ts';
import { type History, monotonicMs, openHistory } from '../history/recorder.ts';

/** What one drill records. */
export interface DrillHistory extends History {
  readonly file: string;
}

/** What an intranet has done for an operation, by its own clocks. */
export interface Done {
  readonly op: string;
  readonly value: string;
  /** CLOCK_MONOTONIC, and Unix milliseconds. */
  readonly at: number;
  readonly wall: number;
}

/** The histories of a load: one of each drill, and one of all attachments, for an epoch is given once for ever. */
export class Recording {
  readonly #dir: string;
  readonly #run: string;
  readonly #attachments: DrillHistory;
  #count = 0;

  /** @param dir an empty folder */
  constructor(dir: string, run: string) {
    this.#dir = dir;
    this.#run = run;
    this.#attachments = this.#open('attachments');
  }

  begin(): DrillHistory {
    this.#count += 1;
    return this.#open(`load-${this.#count}`);
  }

  /** Takes back what is no drill's. */
  drop(history: DrillHistory): void {
    history.close();
    rmSync(history.file, { force: true });
  }

  /** Ends a drill's history; gives the files that it is to be checked by. */
  end(history: DrillHistory, done: readonly Done[]): string[] {
    history.close();
    this.#count += 1;
    const effects = this.#effects(`intranet-${this.#count}`, done);
    return [history.file, effects, this.#attachments.file];
  }

  /** Records the attachments of a device. Its SDK does not say of which session they are. */
  listener(client: string): SdkListener {
    let since = monotonicMs();
    return (event) => {
      if (event.type === 'attaching') since = monotonicMs();
      if (event.type !== 'attached') return;
      const { epoch, proxy } = event;
      this.#attachments.attached({ since, client, session: `of ${client}`, epoch, proxy });
    };
  }

  #effects(recorder: string, done: readonly Done[]): string {
    const file = join(this.#dir, `${recorder}.jsonl`);
    let now: Pick<Done, 'at' | 'wall'> = { at: 0, wall: 0 };
    const clock = { monotonicMs: () => now.at, wallMs: () => now.wall };
    const history = openHistory(file, { run: this.#run, recorder, clock });
    // Pods of one intranet share the orders: their numbers need not be in the order of time.
    for (const { op, value, at, wall } of done.toSorted((a, b) => a.at - b.at)) {
      now = { at, wall };
      history.effect({ op, backend: 'intranet', executed: true, value });
    }
    history.close();
    return file;
  }

  #open(recorder: string): DrillHistory {
    const file = join(this.#dir, `${recorder}.jsonl`);
    return { ...openHistory(file, { run: this.#run, recorder }), file };
  }
}
