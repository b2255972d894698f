import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { meshTls, publicTls } from '#compose/topology/paths.ts';
import { ManualClock } from '#kernel/time/manual-clock.ts';
import { createCa, issue } from './authority.ts';
import { openPki } from './pki.ts';
import { readTls, writeTls } from './tls-folder.ts';

const day = 24 * 3_600_000;

describe('pki', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'pki-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  it('makes both authorities on first use, keys for nobody else, and finds them again', async () => {
    const [one, two] = await Promise.all([openPki(dir), openPki(dir)]);
    assert.equal(one.mesh.bundle, two.mesh.bundle);
    assert.notEqual(one.mesh.bundle, one.public.bundle);
    assert.deepEqual((await readdir(join(dir, 'pki'))).sort(), [
      'mesh-ca.crt',
      'mesh-ca.json',
      'public-ca.crt',
      'public-ca.json',
    ]);
    for (const name of ['mesh-ca.json', 'public-ca.json']) {
      assert.equal((await stat(join(dir, 'pki', name))).mode & 0o777, 0o600);
    }
    assert.equal((await openPki(dir)).mesh.signer.cert, one.mesh.signer.cert);
  });

  it('gives a pod an identity that openssl accepts', async () => {
    const pki = await openPki(dir);
    const made = await pki.ensurePod('sec-0', 'security', {
      dns: ['sec-0'],
      ips: ['127.0.0.1', '10.77.0.1'],
    });
    assert.equal(made.issued, true);
    const paths = meshTls({ stateDir: dir, runDir: dir }, 'sec-0');
    assert.equal(made.dir, paths.dir);
    for (const purpose of ['sslserver', 'sslclient']) {
      const out = execFileSync('openssl', [
        ...['verify', '-x509_strict', '-purpose', purpose, '-CAfile', paths.ca, paths.cert],
      ]);
      assert.match(out.toString(), /: OK/);
    }
    const cert = new X509Certificate(await readFile(paths.cert));
    assert.equal(cert.subject, 'CN=sec-0');
    assert.equal(
      cert.subjectAltName,
      'URI:spiffe://sallyport.internal/security/sec-0, DNS:sec-0, IP Address:127.0.0.1, IP Address:10.77.0.1',
    );
    assert.equal((await stat(paths.key)).mode & 0o777, 0o600);
    assert.equal((await lstat(join(paths.dir, 'current'))).isSymbolicLink(), true);
  });

  it('mutual TLS 1.3 works between two pods, and not with a certificate of the public authority', async () => {
    const pki = await openPki(dir);
    await pki.ensurePod('a', 'proxy', { dns: ['a'] });
    await pki.ensurePod('b', 'security');
    await pki.ensurePublic('edge-0', { dns: ['edge.example'] });
    const [a, b, edge] = await Promise.all([
      readTls(join(dir, 'pods/a/tls')),
      readTls(join(dir, 'pods/b/tls')),
      readTls(publicTls({ stateDir: dir, runDir: dir }, 'edge-0').dir),
    ]);
    assert.ok(a && b && edge);
    assert.equal(edge.ca, undefined);
    const server = createServer({ ...a, minVersion: 'TLSv1.3', requestCert: true }, (socket) => {
      socket.end(socket.getPeerCertificate().subjectaltname ?? 'none');
    });
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    assert.ok(typeof address === 'object' && address);
    const call = (cert: { cert: string; key: string }): Promise<string> =>
      new Promise((resolve, reject) => {
        const socket: TLSSocket = connect({
          ...{ port: address.port, host: '127.0.0.1', servername: 'a' },
          ...{ cert: cert.cert, key: cert.key, ca: pki.mesh.bundle },
        });
        let text = '';
        socket.on('data', (chunk) => {
          text += String(chunk);
        });
        // With TLS 1.3 a server refuses a client after the client's side of the handshake is done.
        socket.on('end', () => (text === '' ? reject(new Error('refused')) : resolve(text)));
        socket.on('error', reject);
      });
    try {
      assert.equal(await call(b), 'URI:spiffe://sallyport.internal/security/b');
      await assert.rejects(call(edge));
    } finally {
      server.close();
    }
  });

  it('issues again at half-life, for other names, and over a damaged file; not otherwise', async () => {
    const clock = new ManualClock();
    const pki = await openPki(dir, { clock });
    const names = { dns: ['x'], ips: ['10.77.0.1'] };
    assert.equal((await pki.ensurePod('p', 'proxy', names)).issued, true);
    assert.equal((await pki.ensurePod('p', 'proxy', names)).issued, false);
    await clock.advance(14 * day);
    assert.equal((await pki.ensurePod('p', 'proxy', names)).issued, false);
    await clock.advance(2 * day);
    const renewed = await pki.ensurePod('p', 'proxy', names);
    assert.equal(renewed.issued, true);
    assert.equal(renewed.expiresAt, clock.now() + 30 * day);
    assert.equal((await pki.ensurePod('p', 'proxy', { ...names, dns: ['x', 'y'] })).issued, true);
    assert.equal((await pki.ensurePod('p', 'worker', { ...names, dns: ['x', 'y'] })).issued, true);
    await writeFile(join(dir, 'pods/p/tls/current/tls.crt'), 'half a cert');
    assert.equal((await pki.ensurePod('p', 'worker', { ...names, dns: ['x', 'y'] })).issued, true);
    await writeFile(join(dir, 'pods/p/tls/current/tls.key'), 'half a key');
    assert.equal((await pki.ensurePod('p', 'worker', { ...names, dns: ['x', 'y'] })).issued, true);
    assert.equal((await pki.ensureOperator()).dir, join(dir, 'pki/operator/operator'));
    assert.equal((await pki.ensureOperator()).issued, false);
    assert.equal((await pki.ensureOperator('operator', true)).issued, true);
    await assert.rejects(pki.ensurePod('../p', 'proxy'), {
      reason: 'CONFIG_INVALID',
    });
  });

  it('replaces a root without a moment of distrust', async () => {
    const pki = await openPki(dir);
    const held = async (): Promise<{ ca: string; cert: string }> => {
      await pki.ensurePod('p', 'proxy');
      const files = await readTls(join(dir, 'pods/p/tls'));
      assert.ok(files?.ca);
      return { ca: files.ca, cert: files.cert };
    };
    const trusts = (ca: string, cert: string): boolean =>
      ca
        .split(/(?<=-----END CERTIFICATE-----\n)/)
        .some((root) => new X509Certificate(cert).verify(new X509Certificate(root).publicKey));
    const steps = [await held()];
    for (const step of [
      () => pki.mesh.addRoot(),
      () => pki.mesh.useNewRoot(),
      () => pki.mesh.dropOldRoots(),
    ]) {
      await step();
      steps.push(await held());
    }
    steps.slice(1).forEach((after, i) => {
      const before = steps[i];
      assert.ok(before && trusts(before.ca, after.cert) && trusts(after.ca, before.cert), `step ${i}`);
    });
    const [first, last] = [steps[0], steps[3]];
    assert.ok(first && last && !trusts(last.ca, first.cert));
    await assert.rejects(pki.mesh.useNewRoot(), { reason: 'CONFIG_INVALID' });
    assert.equal((await openPki(dir)).mesh.bundle, pki.mesh.bundle);
  });

  it('a damaged authority is refused without showing what is in the file', async () => {
    await openPki(dir);
    await writeFile(join(dir, 'pki/mesh-ca.json'), '{"signer":{"key":"SECRET');
    await assert.rejects(openPki(dir), (error: Error) => {
      assert.match(error.message, /not a certificate authority/);
      assert.doesNotMatch(`${error.message}${error.cause}`, /SECRET/);
      return true;
    });
  });

  it('writeTls keeps three versions and never a half-written one as current', async () => {
    const tls = join(dir, 'tls');
    for (let i = 0; i < 6; i++) await writeTls(tls, { cert: `c${i}`, key: `k${i}`, ca: 'ca' });
    assert.deepEqual((await readdir(tls)).sort(), ['current', 'v000004', 'v000005', 'v000006']);
    assert.deepEqual(await readTls(tls), { cert: 'c5', key: 'k5', ca: 'ca' });
    await Promise.all([1, 2, 3].map((i) => writeTls(tls, { cert: `d${i}`, key: `d${i}` })));
    const now = await readTls(tls);
    assert.equal(now?.cert, now?.key);
    assert.equal(await readTls(join(dir, 'none')), undefined);
  });

  it('a leaf does not outlive its root, and an expired root signs nothing', async () => {
    const clock = new ManualClock();
    const ca = await createCa({ name: 'short', days: 1 }, clock);
    const leaf = await issue(ca, { dns: ['x'], hours: 1000 }, clock);
    assert.equal(new X509Certificate(leaf.cert).validToDate.getTime(), clock.now() + day);
    await clock.advance(day);
    await assert.rejects(issue(ca, { dns: ['x'], hours: 1 }, clock), { reason: 'CONFIG_INVALID' });
    await assert.rejects(issue(ca, { hours: 1 }, clock), { reason: 'CONFIG_INVALID' });
  });
});
