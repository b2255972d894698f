/** Runs work in the order in which it came, a little in each turn of the event loop. */
export interface Turns {
  add(work: () => void): void;
  /** What has not begun yet. */
  readonly waiting: number;
}

/**
 * Between two pieces everything else gets its turn. HTTP/2 hands over at once all the calls that have come on a
 * connection, hundreds of them when there is a flood, and a Connect call costs most of a millisecond: done in one go
 * they would hold up for seconds whatever else this process does.
 * @param perTurn pieces in one turn; whoever adds more bounds how many may wait
 */
export function turns(perTurn: number): Turns {
  // A ring would save nothing here: a Set keeps the order, and its first is cheap to take.
  const queue = new Set<{ readonly run: () => void }>();
  let scheduled = false;
  const turn = (): void => {
    scheduled = false;
    let left = perTurn;
    for (const work of queue) {
      queue.delete(work);
      work.run();
      left -= 1;
      if (left === 0) break;
    }
    schedule();
  };
  const schedule = (): void => {
    if (scheduled || queue.size === 0) return;
    scheduled = true;
    setImmediate(turn);
  };
  return {
    add: (run) => {
      queue.add({ run });
      schedule();
    },
    get waiting() {
      return queue.size;
    },
  };
}
