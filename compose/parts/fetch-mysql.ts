import { fileURLToPath } from 'node:url';
import { PartsError, type PartsErrorCode } from './errors.ts';
import { firstOnPath } from './executables.ts';
import { MYSQL_WITHOUT_APT, packageManager } from './hints.ts';
import type { PartsOptions } from './options.ts';
import { redact, run, tail } from './run.ts';

const SCRIPT = fileURLToPath(new URL('fetch-mysql.sh', import.meta.url));

/** Above the sum of the script's own bounds: waiting 15 min, index 5 min, packages 15 min, the rest. */
const TIMEOUT_MS = 40 * 60_000;

/** The codes that fetch-mysql.sh writes; anything else that goes wrong there is FETCH_FAILED. */
const CODES: readonly PartsErrorCode[] = [
  'TOOL_MISSING',
  'PLATFORM_UNSUPPORTED',
  'MIRROR_UNKNOWN',
  'SIGNATURE_REFUSED',
  'HASH_REFUSED',
  'FETCH_FAILED',
  'FETCHED_PART_BROKEN',
  'LOCK_TIMEOUT',
];

/**
 * Puts MySQL into the folder `dir` with fetch-mysql.sh, which locks it: two callers at once fetch once.
 * `o.env` may name a mirror (MYSQL_DEB_MIRROR).
 *
 * @throws PartsError with one of the codes above, or ABORTED
 */
export async function fetchMysql(dir: string, o: PartsOptions): Promise<void> {
  const [bash, apt] = await Promise.all([firstOnPath(['bash'], o.env), firstOnPath(['apt-get'], o.env)]);
  if (bash === undefined || apt === undefined) {
    const missing = apt === undefined ? 'apt-get' : 'bash';
    throw new PartsError(
      'TOOL_MISSING',
      `MySQL is not here, and it can be fetched on Debian and Ubuntu only (no ${missing}).`,
      {
        hint: MYSQL_WITHOUT_APT[apt === undefined ? await packageManager(o.env) : 'apt-get'],
        tried: [`fetch: no ${missing} on PATH`],
      },
    );
  }
  o.progress('fetching MySQL from Debian');
  const result = await run(bash, [SCRIPT, dir], {
    env: o.env,
    timeoutMs: TIMEOUT_MS,
    signal: o.signal,
    onLine: (line) => o.progress(`MySQL: ${line}`),
  });
  if (!result.ok) throw scriptFailure(result.stderr, result.ending);
}

function scriptFailure(stderr: string, ending: string): PartsError {
  const [, said, message] = /^error \[([A-Z_]+)\]: (.*)$/m.exec(stderr) ?? [];
  const hint = /^hint: (.*)$/m.exec(stderr)?.[1];
  const code = CODES.find((known) => known === said) ?? 'FETCH_FAILED';
  const lead = tail(stderr.replace(/^(error \[|hint: ).*$/gm, ''));
  const what = message === undefined ? `the script failed (${ending})` : redact(message);
  return new PartsError(code, `MySQL could not be fetched: ${what}${lead === '' ? '' : `\n${lead}`}`, {
    hint:
      hint ??
      'Start again; if it stays so, install MySQL 8.4 or newer yourself and set MYSQL_HOME to its folder.',
    tried: [`fetch: ${what}`],
  });
}
