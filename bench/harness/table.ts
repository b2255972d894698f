import type { Figure } from './figure.ts';

/** The figures for people. */
export function table(figures: readonly Figure[]): string {
  return figures.map((figure) => `${line(figure)}\n`).join('');
}

function line({ name, value, unit, goal, ok, min, max, pairs, noise }: Figure): string {
  const verdict = goal === null ? '    ' : ok ? 'ok  ' : 'MISS';
  const wanted =
    goal === null ? '' : 'atLeast' in goal ? `, goal ≥ ${goal.atLeast}` : `, goal ≤ ${goal.atMost}`;
  const spread = min === undefined ? '' : ` (${min}–${max}${pairs === undefined ? '' : `, ${pairs} pairs`})`;
  return `${verdict} ${name.padEnd(28)} ${value ?? `noise: ${noise}`}${spread}${wanted}  ${unit}`;
}
