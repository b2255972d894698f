import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { siteGuard } from './sites.ts';

const sites = [
  {
    name: 'zurich',
    edgeUrls: ['https://z0', 'https://z1'],
    backends: ['intranet', 'both'],
    gatewayGroups: [],
  },
  { name: 'geneva', edgeUrls: ['https://g0'], backends: ['branch', 'both'], gatewayGroups: ['near'] },
];
const resource = (backend: string, site?: string, gatewayGroup?: string) => ({
  ...{ name: 'pages', backend, site, gatewayGroup },
});
const refused = (own: string, to: ReturnType<typeof resource>, all = sites): string => {
  try {
    siteGuard(own, all)(to);
    return '';
  } catch (error) {
    assert.ok(error instanceof SallyportError && error.reason === 'SITE_ELSEWHERE');
    return `${error.message}; ${error.hint}`;
  }
};

describe('resources of sites', () => {
  it('are reached from where their backends are', () => {
    assert.equal(refused('geneva', resource('branch')), '');
    assert.equal(refused('geneva', resource('both')), '');
    assert.equal(refused('zurich', resource('both')), '');
    assert.match(
      refused('geneva', resource('intranet')),
      /"zurich", .*@zurich; its edges: https:\/\/z0 https:\/\/z1$/,
    );
    assert.match(refused('zurich', resource('branch')), /"geneva", .*@geneva; its edges: https:\/\/g0$/);
  });

  it('are reached from the site that they name only', () => {
    assert.match(
      refused('zurich', resource('both', 'geneva')),
      /"geneva", .*@geneva; its edges: https:\/\/g0$/,
    );
    assert.equal(refused('geneva', resource('both', 'geneva')), '');
    assert.match(refused('master', resource('x', 'gone'), []), /"gone", .*@gone; its edges: none$/);
  });

  it('are reached through gateways from the site at which those stand', () => {
    assert.equal(refused('geneva', resource('payroll', undefined, 'near')), '');
    assert.match(refused('zurich', resource('payroll', undefined, 'near')), /"geneva", /);
  });

  it('are reached through gateways of no site from everywhere, and where there is one site all of them are', () => {
    assert.equal(refused('geneva', resource('payroll', undefined, 'hr')), '');
    assert.match(
      refused('geneva', resource('payroll', 'zurich', 'hr')),
      /"zurich", .*@zurich; its edges: https:\/\/z0 https:\/\/z1$/,
    );
    assert.equal(refused('master', resource('whatever'), []), '');
  });
});
