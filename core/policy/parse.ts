import type { z } from 'zod';
import { SallyportError } from '#core/errors/error.ts';
import { findContradictions } from './contradictions.ts';
import { type PolicyDocument, policySchema } from './document.ts';
import type { PolicyIssue } from './issue.ts';
import { nearestField } from './nearest-field.ts';

export type PolicyCheck =
  | { readonly document: PolicyDocument; readonly issues: readonly [] }
  | { readonly document: undefined; readonly issues: readonly PolicyIssue[] };

/** Most issues that are reported at once. */
const maxIssues = 50;
const defaultHint = 'see compose/demo/policy.yaml for a policy that is right';

/** Checks a document that YAML or JSON has been read into. Never throws. */
export function checkPolicy(input: unknown): PolicyCheck {
  const parsed = policySchema.safeParse(input);
  const issues = parsed.success ? findContradictions(parsed.data) : parsed.error.issues.flatMap(fromZod);
  return parsed.success && issues.length === 0
    ? { document: parsed.data, issues: [] }
    : { document: undefined, issues: issues.slice(0, maxIssues) };
}

/** As `checkPolicy`; throws POLICY_INVALID, which names the first issues. */
export function parsePolicy(input: unknown): PolicyDocument {
  const { document, issues } = checkPolicy(input);
  if (document) return document;
  const shown = issues.slice(0, 5).map(({ path, problem }) => `${path} ${problem}`);
  const more = issues.length - shown.length;
  throw new SallyportError('POLICY_INVALID', {
    message: `the policy is not valid: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
    hint: issues[0]?.hint ?? defaultHint,
    metadata: { path: issues[0]?.path ?? '' },
  });
}

type ZodIssue = z.core.$ZodIssue;

function fromZod(issue: ZodIssue): PolicyIssue[] {
  const path = printPath(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: printPath([...issue.path, key]),
      problem: 'is not a field',
      hint: nearestField(key) ?? 'remove it, or look up how the field is called',
    }));
  }
  // A union says best what is wrong by the alternative that came furthest.
  if (issue.code === 'invalid_union') {
    const deepest = issue.errors
      .filter((errors) => errors.some(({ path: inner }) => inner.length > 0))
      .sort((a, b) => a.length - b.length)[0];
    if (deepest)
      return deepest.flatMap((inner) => fromZod({ ...inner, path: [...issue.path, ...inner.path] }));
  }
  const hint = issue.code === 'custom' ? issue.params?.hint : undefined;
  return [{ path, problem: sentence(issue), hint: typeof hint === 'string' ? hint : defaultHint }];
}

function sentence(issue: ZodIssue): string {
  return /^(?:is|are) /.test(issue.message) || issue.code === 'custom'
    ? issue.message
    : `is not valid: ${issue.message}`;
}

function printPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : `${text && '.'}${String(part)}`;
  return text || 'the document';
}
