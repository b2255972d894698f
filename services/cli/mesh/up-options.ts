import { resolve } from 'node:path';
import type { MeshOptions } from '#compose/runner/mesh.ts';
import { readSites } from '#compose/runner/sites.ts';
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
  readonly workers?: number;
  readonly services?: number;
  /** File: a gateways.yaml. */
  readonly gateways?: string;
  /** File: a sites.yaml. */
  readonly sites?: string;
  /** File: a targets.yaml. */
  readonly targets?: string;
  /** File: a security.yaml. */
  readonly securityConfig?: string;
  /** Base URL of an OTLP/HTTP receiver. */
  readonly otlp?: string;
}

const tiers = ['security', 'proxies', 'edges', 'db', 'workers', 'services'] as const;

/** As the runner takes them. */
export function meshSettings(
  o: UpOptions,
): Pick<
  MeshOptions,
  'sizes' | 'durability' | 'telemetry' | 'gatewaysFile' | 'sites' | 'targetsFile' | 'securityFile'
> {
  const sizes = Object.fromEntries(tiers.flatMap((tier) => (o[tier] === undefined ? [] : [[tier, o[tier]]])));
  const telemetry = o.otlp !== undefined && { telemetry: { endpoint: o.otlp } };
  const gateways = o.gateways !== undefined && { gatewaysFile: resolve(o.gateways) };
  const sites = o.sites !== undefined && { sites: readSites(o.sites) };
  const targets = o.targets !== undefined && { targetsFile: resolve(o.targets) };
  const security = o.securityConfig !== undefined && { securityFile: resolve(o.securityConfig) };
  return { durability: o.durability, sizes, ...telemetry, ...gateways, ...sites, ...targets, ...security };
}

/** As arguments, for the runner in the background. */
export function settingArguments(o: UpOptions): string[] {
  return [
    '--durability',
    o.durability,
    ...(o.otlp === undefined ? [] : ['--otlp', o.otlp]),
    ...(o.gateways === undefined ? [] : ['--gateways', resolve(o.gateways)]),
    ...(o.sites === undefined ? [] : ['--sites', resolve(o.sites)]),
    ...(o.targets === undefined ? [] : ['--targets', resolve(o.targets)]),
    ...(o.securityConfig === undefined ? [] : ['--security-config', resolve(o.securityConfig)]),
    ...tiers.flatMap((tier) => (o[tier] === undefined ? [] : [`--${tier}`, String(o[tier])])),
  ];
}
