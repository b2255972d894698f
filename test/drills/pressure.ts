import { readFileSync } from 'node:fs';

/**
 * Microseconds, since the machine was started, in which something that could run waited for a CPU
 * (Linux, Documentation/accounting/psi.rst); undefined where the kernel does not tell.
 */
export function cpuPressureUs(): number | undefined {
  try {
    const total = /^some .*total=(\d+)$/m.exec(readFileSync('/proc/pressure/cpu', 'utf8'))?.[1];
    return total === undefined ? undefined : Number(total);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EOPNOTSUPP'))
      return undefined;
    throw error;
  }
}
