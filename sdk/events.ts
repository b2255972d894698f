/** What the SDK tells an app that wants to watch. Nothing depends on anybody listening. */
export type SdkEvent =
  /** It begins to look for a proxy. */
  | { readonly type: 'attaching' }
  /**
   * It is attached: `proxy` is the pod that answered, `epoch` the number of the attachment (32 hexadecimal
   * digits; no secret), `edge` the URL it was reached through.
   */
  | {
      readonly type: 'attached';
      readonly proxy: string;
      readonly epoch: string;
      readonly edge: string;
      readonly carrier: 'stream' | 'exchange';
    }
  /** The attachment is not used any more; the next request attaches again. */
  | { readonly type: 'detached'; readonly proxy: string; readonly reason: string }
  /** An edge, or what is behind it, did not answer; the next call goes to another one, if there is one. */
  | { readonly type: 'edge-failed'; readonly edge: string; readonly reason: string }
  /** A request is sent again. `attempt` counts from 2. */
  | {
      readonly type: 'repeating';
      readonly requestId: string;
      readonly attempt: number;
      readonly reason: string;
    }
  /** A body that was cut goes on. `from`: bytes that had arrived (Range), or the last event's id. */
  | { readonly type: 'resumed'; readonly requestId: string; readonly from: number | string }
  /** The enrolment has agreed a new shared key. */
  | { readonly type: 'key-rotated'; readonly version: number }
  /** The session is over; open a new one. */
  | { readonly type: 'ended'; readonly reason: string };

/** Called at once, in order; must not throw. */
export type SdkListener = (event: SdkEvent) => void;
