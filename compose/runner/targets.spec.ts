import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { parseTargets, readTargets } from './targets.ts';

describe('a targets.yaml', () => {
  it('is given to workers as it was written', () => {
    const text = 'mail: {kind: mail, host: mail.example.org, from: sallyport@example.org}\n';
    assert.deepEqual(parseTargets(text, 'targets.yaml'), {
      mail: { kind: 'mail', host: 'mail.example.org', from: 'sallyport@example.org' },
    });
    assert.deepEqual(parseTargets('', 'targets.yaml'), {});
  });

  it('is refused with the field that is wrong', () => {
    const invalid = (message: RegExp) => ({ reason: 'CONFIG_INVALID', message });
    assert.throws(() => parseTargets('hq: {kind: ldap, urls: ["http://a"]}', 'a.yaml'), invalid(/hq/));
    assert.throws(() => parseTargets('Hook: {kind: http}', 'a.yaml'), invalid(/Hook/));
    assert.throws(() => parseTargets('a: [', 'a.yaml'), invalid(/not YAML/));
    assert.throws(() => readTargets('/no/such/file'), invalid(/cannot be read/));
  });
});
