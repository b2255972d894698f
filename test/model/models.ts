/** What `npm run model` checks: the models of docs/model/, each with switches, and what each mutation must break. */

export type ModelName = 'ownership' | 'revocation';
export type Invariant = 'I1' | 'I2' | 'I3' | 'I4';

/** A model with switches of the C preprocessor, such as `POD_CRASH` or `LEASE=2`; searched to the end. */
export interface Configuration {
  readonly model: ModelName;
  readonly switches: readonly string[];
  /** Belongs to the short form that `npm test` runs. */
  readonly short?: true;
}

/** A configuration with one more switch, which takes out something that an invariant rests on. */
export interface Mutation {
  readonly name: string;
  readonly model: ModelName;
  /** What must be able to happen for it to show. */
  readonly switches: readonly string[];
  readonly breaks: Invariant;
  readonly short?: true;
}

/** By the state that an assertion of the models speaks of. */
export const invariants: readonly (readonly [Invariant, RegExp])[] = [
  ['I1', /\brevoke\b/],
  ['I2', /\bgiven\b/],
  ['I3', /\b(?:promised|known)\b/],
  ['I4', /\bgranted\b/],
];

export const configurations: readonly Configuration[] = [
  { model: 'ownership', switches: [], short: true },
  { model: 'ownership', switches: ['EPOCHS'], short: true },
  { model: 'revocation', switches: [], short: true },
  { model: 'revocation', switches: ['LEASE=2'] },
  { model: 'revocation', switches: ['LOGIN'] },
  { model: 'revocation', switches: ['POD_CRASH'] },
  { model: 'revocation', switches: ['PROXY_CRASH'] },
  { model: 'revocation', switches: ['REMAKE'] },
  { model: 'revocation', switches: ['REMAKE', 'PROXY_CRASH'] },
  { model: 'revocation', switches: ['LOGIN', 'PROXY_CRASH'] },
];

const ownership = (name: string): Mutation => ({ name, model: 'ownership', switches: [], breaks: 'I3' });
const revocation = (name: string, breaks: Invariant, ...switches: string[]): Mutation => ({
  name,
  model: 'revocation',
  switches,
  breaks,
});

export const mutations: readonly Mutation[] = [
  { name: 'NO_INCARNATION', model: 'ownership', switches: ['EPOCHS'], breaks: 'I2', short: true },
  ownership('ROW_WITHOUT_VERSION'),
  ownership('NO_VERSION_COMPARE'),
  ownership('FORGETS_WHAT_ARRIVED'),
  ownership('ACKNOWLEDGE_BEFORE_STORED'),
  ownership('GIVES_AND_FORGETS'),
  ownership('OLD_ANSWER_COUNTS'),
  ownership('STOPS_WITHOUT_PUSH'),
  ownership('ENDS_UNDER_WAY'),
  { ...revocation('NO_FRESHNESS', 'I1'), short: true },
  revocation('FRESH_FROM_END', 'I1'),
  revocation('NO_CHECK_AT_LOAD', 'I1'),
  revocation('NO_LAST_LOOK', 'I1'),
  revocation('NO_OVERTAKEN', 'I1'),
  revocation('NO_SINCE', 'I1', 'REMAKE'),
  revocation('ACKNOWLEDGE_FIRST', 'I1'),
  revocation('NO_LEASE_WAIT', 'I1'),
  revocation('SETTLE_WITHOUT_LEASE', 'I1', 'LEASE=2'),
  revocation('POSITION_LATE', 'I1', 'LOGIN'),
  revocation('NO_PREDECESSOR', 'I1', 'POD_CRASH'),
  revocation('SERVES_UNREAD', 'I1', 'POD_CRASH'),
  revocation('LEASE_FROM_RECEIPT', 'I4'),
  revocation('NO_LEASE_CHECK', 'I4'),
];

/** As people read it: `revocation with LOGIN, PROXY_CRASH`. */
export const titleOf = ({ model, switches }: Configuration): string =>
  switches.length === 0 ? model : `${model} with ${switches.join(', ')}`;
