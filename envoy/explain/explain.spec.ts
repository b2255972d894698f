import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { renderPod } from '../build/render.ts';
import { goldenTopology } from '../golden-topology.ts';
import { loadMesh } from '../model/load.ts';
import { decideRbac } from './decide-rbac.ts';
import { ownerOf, successionOf } from './maglev.ts';
import { type Asked, matchRoute } from './match-route.ts';
import { xxHash64 } from './xxhash64.ts';

describe('XXH64', () => {
  it('is the one of the specification', () => {
    assert.equal(xxHash64(''), 0xef46db3751d8e999n);
    assert.equal(xxHash64('a'), 0xd24ec4f1a98c6e5bn);
    assert.equal(xxHash64('abc'), 0x44bc2cf5ad770999n);
    assert.equal(
      xxHash64('Call me Ishmael. Some years ago--never mind how long precisely-'),
      0x02a2e85470d6fd96n,
    );
  });
});

describe('the owner of a route key', () => {
  const size = 65_537;
  const keys = Array.from({ length: 40 }, (_, n) => `key${n * 7919}`);

  it('does not depend on the order of the pods, and its successor owns what it leaves', () => {
    for (const key of keys.slice(0, 8)) {
      const [owner, next] = successionOf(key, ['sec-0', 'sec-1', 'sec-2'], size);
      assert.equal(ownerOf(key, ['sec-2', 'sec-0', 'sec-1'], size), owner);
      const others = ['sec-0', 'sec-1', 'sec-2'].filter((pod) => pod !== owner);
      assert.equal(ownerOf(key, others, size), next);
    }
  });

  it('is nobody without pods', () => {
    assert.equal(ownerOf('a', [], size), undefined);
    assert.deepEqual(successionOf('a', [], size), []);
  });
});

describe('a route', () => {
  const asked = (fields: Partial<Asked>): Asked => ({
    method: 'POST',
    path: '/',
    authority: 'a.example',
    headers: {},
    ...fields,
  });
  const routed = (fields: Partial<Asked>, routes: object[], domains = ['*']) =>
    matchRoute({ virtual_hosts: [{ name: 'h', domains, routes }] as never }, asked(fields))?.index;

  it('is the first that matches path and headers', () => {
    const routes = [
      { match: { path: '/a' } },
      { match: { prefix: '/b', headers: [{ name: 'X-Pod', string_match: { exact: 'sec-0' } }] } },
      { match: { prefix: '/b', headers: [{ name: 'x-pod', present_match: true }] } },
      { match: { safe_regex: { regex: '/c/[0-9]+' } } },
      {
        match: {
          prefix: '/',
          headers: [{ name: ':method', string_match: { exact: 'GET' }, invert_match: true }],
        },
      },
    ];
    assert.equal(routed({ path: '/a?q=1' }, routes), 0);
    assert.equal(routed({ path: '/b/x', headers: { 'x-pod': 'sec-0' } }, routes), 1);
    assert.equal(routed({ path: '/b', headers: { 'x-pod': 'sec-9' } }, routes), 2);
    assert.equal(routed({ path: '/c/12' }, routes), 3);
    assert.equal(routed({ path: '/c/x' }, routes), 4);
    assert.equal(routed({ path: '/c/x', method: 'GET' }, routes), undefined);
  });

  it('is looked for in the virtual host of the most exact domain', () => {
    const hosts = ['*', '*.example', 'a.*', 'a.example'].map((domain) => ({
      name: domain,
      domains: [domain],
      routes: [{ match: { prefix: '/' } }],
    }));
    const of = (authority: string, list = hosts) =>
      matchRoute({ virtual_hosts: list as never }, asked({ authority }))?.virtualHost;
    assert.equal(of('a.example'), 'a.example');
    assert.equal(of('b.example'), '*.example');
    assert.equal(of('a.test'), 'a.*');
    assert.equal(of('c.test'), '*');
    assert.equal(of('c.test', hosts.slice(3)), undefined);
  });
});

describe('RBAC', () => {
  it('is decided as the rendered filters say', () => {
    const { xds } = renderPod(loadMesh(), goldenTopology(), 'sec-0');
    const listener = xds.lds.find(({ name }) => name === 'mesh')?.body ?? {};
    const decide = (role: string, path: string) =>
      decideRbac(listener, `spiffe://sallyport.internal/${role}/x`, {
        method: 'POST',
        path,
        authority: '',
        headers: {},
      });
    const authorize = '/sallyport.authorize.v1.ProxyAuthorize/Authorize';
    assert.deepEqual(decide('proxy', authorize), { allow: true, policy: 'proxy' });
    assert.deepEqual(decide('edge', authorize), { allow: false, policy: undefined });
    assert.equal(decide('db', authorize)?.allow, false);
    assert.equal(decideRbac({}, 'x', { method: 'GET', path: '/', authority: '', headers: {} }), undefined);
  });
});
