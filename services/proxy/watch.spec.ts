import assert from 'node:assert/strict';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import {
  RevocationKind as Kind,
  type WatchRequestSchema,
  WatchResponseSchema,
} from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { silentLogger } from '#kernel/log/logger.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { Attachments } from './attachments.ts';
import { Revocations } from './revocations.ts';
import { SendQueue } from './send-queue.ts';
import { givenAttachment, givenEntry } from './test/given.ts';
import { type WatchDeps, watchPod } from './watch.ts';

type Kinds = NonNullable<MessageInitShape<typeof WatchResponseSchema>['kind']>;

/** One Watch, as the security pod sees it. */
class PodSide {
  readonly got: MessageInitShape<typeof WatchRequestSchema>[] = [];
  readonly outbox = new SendQueue<ReturnType<typeof create<typeof WatchResponseSchema>>>();
  cancelled = false;
  onAcknowledged: (position: number) => void = () => {};

  tell(kind: Kinds): void {
    void this.outbox.push(create(WatchResponseSchema, { kind }));
  }

  hello(pod = 'sec-0', era = 1): void {
    this.tell({ case: 'hello', value: { pod, incarnation: 1, era } });
  }

  heartbeat(position: number): void {
    this.tell({ case: 'heartbeat', value: { position: BigInt(position) } });
  }

  get start() {
    const [first] = this.got;
    assert.equal(first?.kind?.case, 'start');
    return first.kind.value;
  }

  get acknowledged(): number[] {
    return this.got.flatMap(({ kind }) =>
      kind?.case === 'acknowledgedPosition' ? [Number(kind.value)] : [],
    );
  }
}

function given() {
  const clock = new ManualClock();
  const attachments = new Attachments({ maxAttachments: 100, maxPerSession: 100, idleMs: 1e9 });
  const offered: number[] = [];
  const sides: PodSide[] = [];
  const deps: WatchDeps = {
    tier: {
      watch: (_pod, signal) => {
        const side = new PodSide();
        sides.push(side);
        signal.addEventListener('abort', () => side.outbox.end(signal.reason));
        return {
          send: async (message) => {
            side.got.push(message);
            if (message.kind?.case === 'acknowledgedPosition')
              side.onAcknowledged(Number(message.kind.value));
          },
          responses: side.outbox,
          end: () => {},
          cancel: () => {
            side.cancelled = true;
            side.outbox.end(new SallyportError('CANCELLED'));
          },
        };
      },
    },
    revocations: new Revocations(attachments),
    policies: { version: 7, offer: (version) => void offered.push(version) },
    clock,
    log: silentLogger,
    proxy: 'proxy-0',
    random: () => 0,
  };
  const stop = new AbortController();
  const watching = watchPod(deps, 'sec-0', stop.signal);
  const side = (n: number): PodSide => {
    const found = sides[n];
    assert.ok(found, `watch ${n}`);
    return found;
  };
  const end = async (): Promise<void> => {
    stop.abort();
    await watching;
    assert.equal(clock.waiting, 0);
  };
  return { clock, attachments, offered, sides, side, end };
}

describe('a watch', () => {
  it('says who, where to begin and which policy is held; takes policies', async () => {
    const { clock, side, offered, end } = given();
    await clock.advance(0);
    assert.deepEqual(side(0).start, { proxy: 'proxy-0', position: 0n, policyVersion: 7n });
    side(0).hello();
    side(0).tell({ case: 'policy', value: { version: 8n, documentJson: '{}' } });
    await clock.advance(0);
    assert.deepEqual(offered, [8]);
    await end();
    assert.equal(side(0).cancelled, true);
  });

  it('acknowledges an entry after it has been carried out, and resumes after it', async () => {
    const { clock, side, attachments, end } = given();
    await clock.advance(0);
    side(0).hello();
    side(0).heartbeat(10);
    const attachment = givenAttachment(clock, { user: 'ada', feedPosition: 10 });
    attachments.add(attachment);
    let cutFirst = false;
    side(0).onAcknowledged = () => {
      cutFirst = attachment.ended.aborted;
    };
    side(0).tell({ case: 'revocation', value: givenEntry(11, Kind.USER, 'ada') });
    await clock.advance(0);
    assert.deepEqual([side(0).acknowledged, cutFirst], [[11], true]);
    side(0).heartbeat(15);
    side(0).outbox.end(new SallyportError('UNAVAILABLE'));
    await clock.advance(100);
    assert.equal(side(1).start.position, 15n);
    await end();
  });

  it('is given up when it is silent, and opened anew with growing pauses', async () => {
    const { clock, sides, side, end } = given();
    await clock.advance(0);
    side(0).hello();
    await clock.advance(4999);
    side(0).heartbeat(1);
    await clock.advance(4999);
    assert.equal(side(0).cancelled, false);
    await clock.advance(1);
    assert.equal(side(0).cancelled, true);
    await clock.advance(100);
    assert.equal(sides.length, 2);
    side(1).outbox.end(new SallyportError('UNAVAILABLE'));
    await clock.advance(100);
    assert.equal(sides.length, 2, 'the second pause is longer');
    await clock.advance(100);
    assert.equal(sides.length, 3);
    await end();
  });

  it('that another pod answers is not believed', async () => {
    const { clock, side, attachments, end } = given();
    await clock.advance(0);
    const attachment = givenAttachment(clock);
    attachments.add(attachment);
    side(0).hello('sec-1');
    side(0).tell({ case: 'revocation', value: givenEntry(99, Kind.EVERYBODY) });
    await clock.advance(0);
    assert.equal(side(0).cancelled, true);
    assert.equal(attachment.ended.aborted, false);
    await end();
  });

  it('ends when the era it began in is over', async () => {
    const { clock, side, end } = given();
    await clock.advance(0);
    side(0).hello('sec-0', 2);
    side(0).heartbeat(40);
    side(0).outbox.end();
    await clock.advance(100);
    assert.equal(side(1).start.position, 40n);
    side(1).hello('sec-0', 3);
    side(1).outbox.end();
    await clock.advance(200);
    assert.equal(side(2).start.position, 0n);
    side(2).hello('sec-0', 2);
    await clock.advance(0);
    assert.equal(side(2).cancelled, true);
    await end();
  });

  it('passes over what a newer release says', async () => {
    const { clock, side, end } = given();
    await clock.advance(0);
    side(0).hello();
    void side(0).outbox.push(create(WatchResponseSchema));
    side(0).tell({ case: 'revocation', value: givenEntry(5, Kind.SESSION, 'x') });
    await clock.advance(0);
    assert.deepEqual(side(0).acknowledged, [5]);
    await end();
  });
});
