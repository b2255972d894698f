import type { MeshOptions } from '#compose/runner/mesh.ts';
import type { CommonOptions } from '../command.ts';

export interface UpOptions extends CommonOptions {
  readonly foreground?: boolean;
  /** Another process shows what this one says. */
  readonly followed?: boolean;
  readonly demo?: boolean;
  readonly once?: boolean;
  readonly wipe?: boolean;
  readonly durability: 'full' | 'relaxed';
  readonly security?: number;
  readonly proxies?: number;
  readonly edges?: number;
  readonly db?: number;
  readonly services?: number;
  /** Base URL of an OTLP/HTTP receiver. */
  readonly otlp?: string;
}

const tiers = ['security', 'proxies', 'edges', 'db', 'services'] as const;

/** As the runner takes them. */
export function meshSettings(o: UpOptions): Pick<MeshOptions, 'sizes' | 'durability' | 'telemetry'> {
  const sizes = Object.fromEntries(tiers.flatMap((tier) => (o[tier] === undefined ? [] : [[tier, o[tier]]])));
  const telemetry = o.otlp !== undefined && { telemetry: { endpoint: o.otlp } };
  return { durability: o.durability, sizes, ...telemetry };
}

/** As arguments, for the runner in the background. */
export function settingArguments(o: UpOptions): string[] {
  return [
    '--durability',
    o.durability,
    ...(o.otlp === undefined ? [] : ['--otlp', o.otlp]),
    ...tiers.flatMap((tier) => (o[tier] === undefined ? [] : [`--${tier}`, String(o[tier])])),
  ];
}
