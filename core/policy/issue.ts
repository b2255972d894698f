/** One thing that is wrong with a policy document. */
export interface PolicyIssue {
  /** For example `resources[2].rules[0].apps[1].minVersion`. */
  readonly path: string;
  readonly problem: string;
  readonly hint: string;
}
