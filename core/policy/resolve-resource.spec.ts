import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { loadPolicy } from './compile.ts';
import { pathKey } from './path.ts';
import { resolveResource } from './resolve-resource.ts';

const policyOf = (resources: object[], ignorePathCase = false) =>
  loadPolicy({ ignorePathCase, resources }, 1);
const policy = policyOf([
  { name: 'intranet', backend: 'web', hosts: ['intranet.example'] },
  { name: 'payroll', backend: 'web', hosts: ['intranet.example'], pathPrefix: '/payroll' },
  { name: 'slips', backend: 'web', hosts: ['intranet.example'], pathPrefix: '/payroll/2026/slips' },
  { name: 'odd', backend: 'web', hosts: ['intranet.example'], pathPrefix: '/a@b' },
  { name: 'apps', backend: 'apps', hosts: ['*.apps.example'] },
  { name: 'crm', backend: 'apps', hosts: ['*.crm.apps.example', 'crm.example:8443'], pathPrefix: '/crm' },
  { name: 'wiki', backend: 'wiki' },
  { name: 'wiki-admin', backend: 'wiki', pathPrefix: '/admin' },
]);
const find = (authority: string, path: string) => resolveResource(policy, { authority, path })?.name;

describe('the resource of a request', () => {
  it('is that of the longest prefix of whole segments', () => {
    assert.equal(find('intranet.example', '/'), 'intranet');
    assert.equal(find('intranet.example', '/payroll'), 'payroll');
    assert.equal(find('intranet.example', '/payroll/?x'), 'payroll');
    assert.equal(find('intranet.example', '/payroll2'), 'intranet');
    assert.equal(find('intranet.example', '/payroll/2026'), 'payroll');
    assert.equal(find('intranet.example', '/payroll/2026/slips/7/pdf'), 'slips');
  });

  it('is the same however path and host are spelt', () => {
    for (const path of ['/%70ayroll', '/payroll;jsessionid=1', '/payroll;x/1', '/payroll%3Bx'])
      assert.equal(find('INTRANET.example:443', path), 'payroll', path);
    assert.equal(find('intranet.example.', '/a%40b/c'), 'odd');
  });

  it('comes from an exact host before a wildcard, and from the longer wildcard', () => {
    assert.equal(find('x.apps.example', '/crm'), 'apps');
    assert.equal(find('x.y.apps.example', '/'), 'apps');
    assert.equal(find('x.crm.apps.example', '/crm'), 'crm');
    assert.equal(find('x.crm.apps.example', '/'), undefined);
    assert.equal(find('apps.example', '/'), undefined);
    assert.equal(find('crm.example:8443', '/crm/1'), 'crm');
    assert.equal(find('crm.example', '/crm/1'), undefined);
  });

  it('is found by name, without a way around a longer prefix', () => {
    assert.equal(find('intranet', '/x'), 'intranet');
    assert.equal(find('intranet', '/payroll/1'), 'payroll');
    assert.equal(find('wiki', '/page'), 'wiki');
    assert.equal(find('wiki', '/admin/page'), 'wiki-admin');
    assert.equal(find('nothing', '/'), undefined);
  });

  it('does not regard case where the servers do not', () => {
    const windows = policyOf(
      [
        { name: 'all', backend: 'b', hosts: ['h'] },
        { name: 'hr', backend: 'b', hosts: ['h'], pathPrefix: '/HR' },
      ],
      true,
    );
    assert.equal(resolveResource(windows, { authority: 'h', path: '/hR/x' })?.name, 'hr');
    assert.equal(find('intranet.example', '/Payroll'), 'intranet');
  });

  it('is refused for an authority or a path that is none', () => {
    for (const [authority, path] of [
      ['a@b', '/'],
      ['', '/'],
      ['intranet.example', '/../x'],
      ['backend wiki', '/'],
    ] as const)
      assert.throws(
        () => find(authority, path),
        (thrown: unknown) => thrown instanceof SallyportError && thrown.reason === 'REQUEST_INVALID',
      );
  });

  it('covers every path that it is given, and no other resource covers it more closely', () => {
    const segment = fc.constantFrom(
      'payroll',
      '2026',
      'slips',
      'a@b',
      'x',
      '%70ayroll',
      'payroll;v',
      'payroll2',
    );
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 6 }), (segments) => {
        const path = `/${segments.join('/')}`;
        const read = pathKey(decodeURIComponent(path));
        const covers = (prefix: string) => prefix === '/' || read === prefix || read.startsWith(`${prefix}/`);
        const [closest] = policy.resources
          .filter(({ hosts, pathPrefix }) => hosts.includes('intranet.example') && covers(pathPrefix))
          .sort((a, b) => b.pathPrefix.length - a.pathPrefix.length);
        assert.equal(find('intranet.example', path), closest?.name);
      }),
    );
  });
});
