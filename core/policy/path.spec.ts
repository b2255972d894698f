import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { canonicalHost } from './host.ts';
import { normalizePath, pathKey } from './path.ts';

const refused = (thrown: unknown) => thrown instanceof SallyportError && thrown.reason === 'REQUEST_INVALID';

describe('paths', () => {
  it('have one spelling', () => {
    assert.equal(normalizePath('/'), '/');
    assert.equal(normalizePath('/%70ay%2droll/%c3%a9?q=%70'), '/pay-roll/%C3%A9?q=%70');
    assert.equal(normalizePath('/a/b.html?x=../..//'), '/a/b.html?x=../..//');
    assert.equal(normalizePath('/100%25.pdf'), '/100%25.pdf');
  });

  it('are compared without what servers overlook', () => {
    assert.equal(pathKey('/payroll;v=1/a%40b?x'), '/payroll/a@b');
    assert.equal(pathKey('/payroll%3Bv'), '/payroll');
    assert.equal(pathKey('/%E9t%E9'), '/\u00e9t\u00e9');
  });

  const hidden = [
    '/..',
    '/a/../b',
    '/./a',
    '/a/.',
    '//a',
    '/a//b',
    '/%2e%2E/a',
    '/a%2fb',
    '/a%5Cb',
    '/a\\b',
    '/..;/a',
  ];
  hidden.push(
    '/;x/a',
    '/%3b/a',
    '/..%3bx/a',
    '/.;x',
    '/a\0',
    '/a%00',
    '/a%0d%0aX:',
    '/a%7F',
    '/a b',
    '/é',
    '/a#b',
    '/a?b#c',
  );
  hidden.push(
    '/%252e%252e/a',
    '/%25%32%65',
    '/%c0%af',
    '/%e0%80%af',
    '/%zz',
    '/a%',
    '/a%2',
    '',
    '*',
    'a',
    'http://x/',
  );
  hidden.push(`/${'a'.repeat(9000)}`, '/a?b c', '/a?\u0000');
  for (const path of hidden) {
    it(`refuse ${JSON.stringify(path.slice(0, 30))}`, () =>
      assert.throws(() => normalizePath(path), refused));
  }

  it('once normal stay so, and lead nowhere else when the backend reads them in its own way', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2F',
      '%5c',
      '%25',
      '%41',
      '%c3%a9',
      ';',
      'a',
      'B',
      '?',
      '%00',
      '2e',
      '%3b',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const path = `/${pieces.join('')}`;
        let normal: string;
        try {
          normal = normalizePath(path);
        } catch (thrown) {
          assert.ok(refused(thrown));
          return;
        }
        assert.equal(normalizePath(normal), normal);
        const bare = normal.split('?')[0] ?? '';
        // A backend that resolves dots, and one that decodes first.
        assert.equal(new URL(bare, 'http://x').pathname, bare);
        const decoded = decodeURIComponent(bare).replace(/;[^/]*/g, '');
        assert.equal(decodeURIComponent(new URL(encodeURI(decoded), 'http://x').pathname), decoded);
        assert.equal(pathKey(normal), decoded);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('hosts', () => {
  it('have one spelling', () => {
    for (const same of [
      'Intranet.Example',
      'intranet.example.',
      'intranet.example:443',
      'intranet.example.:80',
    ])
      assert.equal(canonicalHost(same), 'intranet.example');
    assert.equal(canonicalHost('intranet.example:8443'), 'intranet.example:8443');
    assert.equal(canonicalHost('[2001:DB8::1]:443'), '[2001:db8::1]');
  });

  it('are refused when they are none', () => {
    for (const text of [
      '',
      'a b',
      'u@h',
      'h/x',
      'a..b',
      'h:',
      'h:x',
      '.h',
      'h:123456',
      '[::1',
      'a'.repeat(300),
      '*.x',
    ])
      assert.equal(canonicalHost(text), undefined, text);
  });
});
