import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SallyportError } from '#core/errors/error.ts';
import type { Clock } from '#kernel/time/clock.ts';
import { systemClock } from '#kernel/time/system-clock.ts';
import { type IssueOptions, issue } from './authority.ts';
import { Roots } from './roots.ts';
import { readTls, type TlsFiles, writeTls } from './tls-folder.ts';

export interface PkiOptions {
  /** Trust domain of identities; default `sallyport.internal`. */
  trustDomain?: string;
  /** Validity of pods' and operators' certificates in hours; default 720. Renewed at half of it. */
  leafHours?: number;
  /** Validity of edges' public certificates in hours; default 2160. Renewed at half of it. */
  publicHours?: number;
  /** Validity of the roots in days; default 3650. */
  caDays?: number;
  clock?: Clock;
}

export interface CertNames {
  /** Issue a new one in any case: the key may have been seen. */
  force?: boolean;
  dns?: readonly string[];
  ips?: readonly string[];
}

/** `issued`: a new version was written and `current` swapped to it. `expiresAt`: ms since 1970. */
export interface Ensured {
  readonly dir: string;
  readonly issued: boolean;
  readonly expiresAt: number;
}

/**
 * The local public-key infrastructure of one mesh, in `<state>/pki` (mode 0700): `mesh-ca` signs the
 * identities of pods and operators, `public-ca` what edges show to phones. The two never vouch for each
 * other's peers. A company that has its own authority writes its files by `writeTls` instead.
 */
export class Pki {
  readonly mesh: Roots;
  readonly public: Roots;
  readonly #stateDir: string;
  readonly #options: Required<PkiOptions>;

  constructor(stateDir: string, mesh: Roots, publicRoots: Roots, options: Required<PkiOptions>) {
    this.#stateDir = stateDir;
    this.mesh = mesh;
    this.public = publicRoots;
    this.#options = options;
  }

  /** `spiffe://<trust domain>/<role>/<pod>` */
  identity(role: string, pod: string): string {
    return `spiffe://${this.#options.trustDomain}/${part('role', role)}/${part('pod', pod)}`;
  }

  /**
   * Sees to it that `<state>/pods/<pod>/tls/current` holds a good identity: issues one when there is none,
   * when half of its life has passed, when its names or the roots have changed, or when it is unreadable.
   */
  async ensurePod(pod: string, role: string, names: CertNames = {}): Promise<Ensured> {
    const dir = join(this.#stateDir, 'pods', part('pod', pod), 'tls');
    const spiffe = this.identity(role, pod);
    return this.#ensure(dir, this.mesh, { ...names, spiffe, hours: this.#options.leafHours }, true);
  }

  /** The same for an edge's certificate for phones, `<state>/pods/<edge>/public/current`. No client usage, no ca.crt. */
  async ensurePublic(edge: string, names: CertNames): Promise<Ensured> {
    const dir = join(this.#stateDir, 'pods', part('pod', edge), 'public');
    const options: IssueOptions = { ...names, hours: this.#options.publicHours, usages: ['server'] };
    return this.#ensure(dir, this.public, options, false);
  }

  /** The same for a person, `<state>/pki/operator/<name>/current`: a client with role `operator`. */
  async ensureOperator(name = 'operator', force = false): Promise<Ensured> {
    const dir = join(this.#stateDir, 'pki', 'operator', part('operator', name));
    const spiffe = this.identity('operator', name);
    return this.#ensure(
      dir,
      this.mesh,
      { spiffe, force, hours: this.#options.leafHours, usages: ['client'] },
      true,
    );
  }

  async #ensure(
    dir: string,
    roots: Roots,
    options: IssueOptions & { force?: boolean },
    withCa: boolean,
  ): Promise<Ensured> {
    const now = this.#options.clock.now();
    const held = await readTls(dir);
    const ca = withCa ? roots.bundle : undefined;
    if (!options.force && held && held.ca === ca) {
      const cert = parsePair(held);
      if (cert && isGood(cert, roots.signer.cert, options, now)) {
        return { dir, issued: false, expiresAt: cert.validToDate.getTime() };
      }
    }
    const leaf = await issue(roots.signer, options, this.#options.clock);
    await writeTls(dir, { ...leaf, ca });
    return { dir, issued: true, expiresAt: new X509Certificate(leaf.cert).validToDate.getTime() };
  }
}

/** Opens the infrastructure of a mesh, making its authorities on first use. */
export async function openPki(stateDir: string, options: PkiOptions = {}): Promise<Pki> {
  const full = {
    trustDomain: options.trustDomain ?? 'sallyport.internal',
    leafHours: options.leafHours ?? 720,
    publicHours: options.publicHours ?? 2160,
    caDays: options.caDays ?? 3650,
    clock: options.clock ?? systemClock,
  };
  const dir = join(stateDir, 'pki');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const open = (name: string, title: string): Promise<Roots> =>
    Roots.open(dir, name, { name: title, days: full.caDays }, full.clock);
  return new Pki(
    stateDir,
    await open('mesh-ca', 'Sallyport mesh CA'),
    await open('public-ca', 'Sallyport public CA'),
    full,
  );
}

function isGood(cert: X509Certificate, signer: string, options: IssueOptions, now: number): boolean {
  const from = cert.validFromDate.getTime();
  const until = cert.validToDate.getTime();
  const root = new X509Certificate(signer);
  // A leaf that was cut to the root's own end cannot be made to last longer.
  const renewable = until < root.validToDate.getTime();
  return (
    now >= from &&
    (now < from + (until - from) / 2 || (!renewable && now < until)) &&
    cert.checkIssued(root) &&
    cert.verify(root.publicKey) &&
    sameNames(cert, options)
  );
}

function sameNames(cert: X509Certificate, options: IssueOptions): boolean {
  const wanted = [
    ...(options.spiffe === undefined ? [] : [`URI:${options.spiffe}`]),
    ...(options.dns ?? []).map((name) => `DNS:${name}`),
    ...(options.ips ?? []).map((ip) => `IP Address:${ip.toUpperCase()}`),
  ];
  const held = (cert.subjectAltName ?? '').split(', ').map((name) =>
    // OpenSSL prints IPv6 addresses in full and in capitals.
    name.startsWith('IP Address:') ? name.toUpperCase().replace('IP ADDRESS', 'IP Address') : name,
  );
  return wanted.length === held.length && wanted.every((name) => held.includes(name));
}

/** The certificate, if it can be read and the key is its own. */
function parsePair(files: TlsFiles): X509Certificate | undefined {
  try {
    const cert = new X509Certificate(files.cert);
    return cert.checkPrivateKey(createPrivateKey(files.key)) ? cert : undefined;
  } catch {
    // A damaged file is as good as none: the caller makes a new pair.
    return undefined;
  }
}

function part(what: string, name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) return name;
  throw new SallyportError('CONFIG_INVALID', {
    message: `${what} ${JSON.stringify(name.slice(0, 60))} cannot be part of an identity`,
    hint: 'use up to 40 of a-z, 0-9 and -, beginning with a letter or digit',
  });
}
