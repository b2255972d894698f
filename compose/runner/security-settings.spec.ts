import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { SallyportError } from '#core/errors/error.ts';
import { parseSecuritySettings, readSecuritySettings } from './security-settings.ts';

describe('a security.yaml', () => {
  it('is taken as it was written', () => {
    const text = 'oidc: [{issuer: https://id.example, clientId: app, peopleClientId: tools}]';
    assert.deepEqual(parseSecuritySettings(text, 'a.yaml'), {
      oidc: [{ issuer: 'https://id.example', clientId: 'app', peopleClientId: 'tools' }],
    });
    assert.deepEqual(parseSecuritySettings('roles: {twoWays: operator}', 'a.yaml'), {
      roles: { twoWays: 'operator' },
    });
    assert.deepEqual(parseSecuritySettings('', 'a.yaml'), {});
  });

  it('is refused with what is wrong in it, and says nothing that the runner knows', () => {
    const invalid = (message: RegExp) => (error: unknown) => {
      assert.equal(SallyportError.from(error).reason, 'CONFIG_INVALID');
      assert.match(SallyportError.from(error).message, message);
      return true;
    };
    for (const [text, message] of [
      ['oidc: [{issuer: nowhere, clientId: app}]', /issuer/],
      ['oidc: [{issuer: http://id.example, clientId: app}]', /must be https/],
      ['oidc: [{issuer: https://a.b, clientId: a}, {issuer: https://a.b, clientId: b}]', /each issuer once/],
      ['roles: {twoWays: king}', /twoWays/],
      ['pod: sec-7', /pod/],
      ['database: {passwordFile: /etc/passwd}', /database/],
      ['a: [', /a\.yaml is not YAML/],
    ] as const) {
      assert.throws(() => parseSecuritySettings(text, 'a.yaml'), invalid(message), text);
    }
    assert.throws(() => readSecuritySettings('/no/such/file'), invalid(/cannot be read/));
  });
});
