import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { parseGateways } from './gateways.ts';

const http = {
  name: 'payroll',
  kind: 'http',
  url: 'https://payroll.hr.corp.example',
  domain: 'hr.corp.example',
};
const ldap = { name: 'dc', kind: 'ldap', url: 'ldaps://dc1.corp.example' };
const command = {
  ...{ name: 'lock', kind: 'command', argv: ['/usr/local/bin/lock', '--user={user}'] },
  parameters: { user: '[a-z]+' },
};
const group = { name: 'hr', forest: 'corp.example', targets: [http, ldap, command] };
const read = (...groups: object[]) => parseGateways(JSON.stringify({ groups }), 'gateways.yaml');
const refuses = (message: RegExp, ...groups: object[]): void => {
  assert.throws(
    () => read(...groups),
    (error: unknown) =>
      error instanceof SallyportError &&
      error.reason === 'CONFIG_INVALID' &&
      error.hint !== '' &&
      message.test(error.message),
  );
};
const targets = (...each: object[]) => ({ ...group, targets: each });

describe('gateways.yaml', () => {
  it('names groups, what they reach, and their limits', () => {
    const [hr] = read(group);
    assert.deepEqual([hr?.pods, hr?.targets.map(({ kind }) => kind)], [2, ['http', 'ldap', 'command']]);
    assert.deepEqual(hr?.targets[0]?.limits, { calls: 64, idle: 60_000, maxRequest: 67_108_864 });
    assert.deepEqual(parseGateways('groups: []', 'x'), []);
  });

  it('is refused when it crosses forests', () => {
    refuses(/"payroll" is of emea\.example, and group "hr" serves the forest corp\.example/, {
      ...targets({ ...http, domain: 'emea.example' }),
    });
    // No domain of it, for all that it ends alike.
    refuses(/evilcorp\.example/, targets({ ...http, domain: 'evilcorp.example' }));
    refuses(/forest/, { ...group, forest: ['corp.example', 'emea.example'] });
    refuses(/"payroll" stands in group "hr" and in group "emea"/, group, {
      ...{ ...group, name: 'emea', forest: 'hr.corp.example' },
      targets: [http],
    });
    refuses(/two groups are named "hr"/, group, { ...group, targets: [{ ...http, name: 'other' }] });
  });

  it('is refused when a target makes no sense, or is not safe', () => {
    refuses(/not encrypted/, targets({ ...ldap, url: 'ldap://dc1.corp.example' }));
    refuses(/no passwordFile/, targets({ ...ldap, bindDn: 'cn=x' }));
    refuses(/no absolute path/, targets({ ...command, argv: ['lock', '{user}'] }));
    refuses(/\{user\} has no pattern/, targets({ ...command, parameters: {} }));
    refuses(/parameter also is not in argv/, targets({ ...command, parameters: { user: 'a', also: 'b' } }));
    refuses(/regular expression/, targets({ ...command, parameters: { user: '(' } }));
    refuses(/unknown field .*urll/, targets({ ...http, urll: 'x' }));
    refuses(/url/, targets({ ...http, url: 'ftp://x' }));
    assert.throws(() => parseGateways('a: [', 'gateways.yaml'), /no(t)? YAML/);
  });
});
