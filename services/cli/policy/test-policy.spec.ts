import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { runCli } from '../run-cli.ts';
import { testContext } from '../test-context.ts';

const policy = `
resources:
  - name: payroll
    backend: intranet
    hosts: [intranet.example]
    pathPrefix: /payroll
    rules:
      - name: clerks
        groups: [payroll]
        apps: [{ id: com.example.field, minVersion: "1.2" }]
`;
const app = 'app: {id: com.example.field, version: "1.10"}';

describe('policy test', () => {
  let cwd: string;
  beforeEach(() => {
    cwd = mkdtempSync(join(tmpdir(), 'sp-policy-'));
    writeFileSync(join(cwd, 'policy.yaml'), policy);
  });
  afterEach(() => rmSync(cwd, { recursive: true, force: true }));

  const run = async (tests: string, ...args: string[]) => {
    writeFileSync(join(cwd, 'tests.yaml'), tests);
    const { context, written } = testContext({ cwd });
    return { code: await runCli(['policy', 'test', 'tests.yaml', ...args], context), ...written };
  };

  it('decides what the file asks for', async () => {
    const { code, out } = await run(`
policy: policy.yaml
tests:
  - { groups: [payroll], ${app}, request: GET intranet.example/payroll/june, expect: allow }
  - { groups: [staff], ${app}, request: GET https://intranet.example/payroll, expect: deny, reason: NO_RULE }
  - { groups: [payroll], request: GET payroll/payroll, expect: deny }
  - { request: GET elsewhere.example, expect: deny, reason: NO_RESOURCE }
`);
    assert.equal(code, 0, out);
    assert.match(out, /✓ expectations met +4 of 4/);
  });

  it('fails when one is decided otherwise, and says how', async () => {
    const tests = `
tests:
  - { name: staff get in, groups: [staff], ${app}, request: GET intranet.example/payroll, expect: allow }
`;
    const { code, out } = await run(tests, '--policy', 'policy.yaml');
    assert.equal(code, 1);
    assert.match(out, /✗ staff get in: expected allow, got deny NO_RULE: /);
  });

  it('refuses files that are not what they should be', async () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['tests: []\npolicy: policy.yaml', /^error CONFIG_INVALID: /],
      [`tests: [{request: GET a/b, expect: allow}]`, /^error CONFIG_INVALID: .*does not name a policy/],
      ['policy: policy.yaml\ntests: [{request: nonsense, expect: allow}]', /^error USAGE: /],
      ['tests: [{]', /^error POLICY_INVALID: /],
      ['policy: nowhere.yaml\ntests: [{request: GET a/b, expect: allow}]', /^error ENOENT: /],
    ];
    for (const [text, expected] of cases) assert.match((await run(text)).err, expected, text);
  });
});
