import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { meshTls, pkiDir, publicTls, type TlsFolder } from '#compose/topology/paths.ts';
import { identityOf } from '#compose/topology/query.ts';
import type { Pod, Topology } from '#compose/topology/types.ts';
import { type Finding, finding } from './finding.ts';

/** Renewed at half of their life, so this little is left only where renewing has failed. */
const nearHours = 24;

/**
 * The certificates of a mesh's pods, as they are on disk: there, of a pair with their keys, in the pod's name,
 * signed by the roots that peers check them by, and not about to expire.
 */
export function checkCertificates(topology: Topology, pods: readonly Pod[], now: number): Finding[] {
  return pods.flatMap((pod) => {
    const mesh = meshTls(topology, pod.name);
    const found = checkOne(pod, 'tls', mesh, mesh.ca, now, identityOf(topology, pod.role, pod.name));
    if (pod.role !== 'edge') return found;
    const roots = join(pkiDir(topology), 'public-ca.crt');
    return [...found, ...checkOne(pod, 'public', publicTls(topology, pod.name), roots, now)];
  });
}

function checkOne(
  pod: Pod,
  where: string,
  files: TlsFolder,
  roots: string,
  now: number,
  identity?: string,
): Finding[] {
  const missing = [files.cert, files.key, roots].filter((file) => !existsSync(file));
  if (missing.length > 0)
    return [finding('CERTIFICATE_MISSING', pod.name, where, `there is no ${missing.join(', no ')}`)];
  const found: Finding[] = [];
  const wrong = (code: Parameters<typeof finding>[0], message: string): void => {
    found.push(finding(code, pod.name, where, message));
  };
  let certificate: X509Certificate;
  let ofPair: boolean;
  let authorities: X509Certificate[];
  try {
    certificate = new X509Certificate(readFileSync(files.cert));
    ofPair = certificate.checkPrivateKey(createPrivateKey(readFileSync(files.key)));
    authorities = readRoots(readFileSync(roots, 'utf8'));
  } catch (error) {
    wrong(
      'CERTIFICATE_KEY_MISMATCH',
      `${files.dir} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
    return found;
  }
  if (!ofPair) wrong('CERTIFICATE_KEY_MISMATCH', `${files.key} is not the key of ${files.cert}`);
  const names = certificate.subjectAltName?.split(', ') ?? [];
  if (identity !== undefined && !names.includes(`URI:${identity}`))
    wrong('CERTIFICATE_NAME_MISMATCH', `it names ${names.join(', ') || 'nobody'}, not ${identity}`);
  if (!authorities.some((root) => certificate.checkIssued(root) && certificate.verify(root.publicKey)))
    wrong('CERTIFICATE_UNTRUSTED', `none of the roots in ${roots} has signed it`);
  const hours = Math.floor((certificate.validToDate.getTime() - now) / 3_600_000);
  if (hours < 0) wrong('CERTIFICATE_EXPIRED', `it expired at ${certificate.validToDate.toISOString()}`);
  else if (hours < nearHours) wrong('CERTIFICATE_NEAR_EXPIRY', `it expires in ${hours} h`);
  return found;
}

const readRoots = (bundle: string): X509Certificate[] =>
  (bundle.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
