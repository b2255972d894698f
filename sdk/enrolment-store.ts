import { decodeEnrolment, type Enrolment, encodeEnrolment } from './enrolment.ts';

/**
 * Where an installation keeps its enrolment: the keychain on iOS, the keystore on Android, a file on
 * Node (`sdk/file-store.ts`). `save` replaces the whole value or leaves the old one; it resolves when
 * the value would survive a crash.
 */
export interface EnrolmentStore {
  /** undefined: not enrolled. Rejects with MALFORMED when what is stored cannot be read. */
  load(): Promise<Enrolment | undefined>;
  save(enrolment: Enrolment): Promise<void>;
  /** Harmless when there is none. */
  remove(): Promise<void>;
}

/** Forgets everything when the process ends; for tests and throw-away devices. */
export function memoryStore(initial?: Enrolment): EnrolmentStore {
  let text = initial && encodeEnrolment(initial);
  return {
    load: () => Promise.resolve(text === undefined ? undefined : decodeEnrolment(text)),
    save: (enrolment) => {
      text = encodeEnrolment(enrolment);
      return Promise.resolve();
    },
    remove: () => {
      text = undefined;
      return Promise.resolve();
    },
  };
}
