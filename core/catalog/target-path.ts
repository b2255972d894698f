/** Where a package or a delta stands in the catalogue's signed metadata. */
export interface TargetName {
  readonly appId: string;
  readonly platform: string;
  readonly version: string;
  /** Of a delta. */
  readonly fromVersion?: string | undefined;
}

/** Three segments; the first one is the app's, by which its role is found. No version has `_` or `/`. */
export function targetPath({ appId, platform, version, fromVersion }: TargetName): string {
  const name = fromVersion ? `${fromVersion}_${version}.delta` : `${version}.package`;
  return `${appId}/${platform}/${name}`;
}

/** The delegated role that signs an app's packages. */
export const appRole = (appId: string): string => `app.${appId}`;
/** The paths that it may sign. */
export const appPaths = (appId: string): string => `${appId}/*/*`;
/** The app of a role, or none: for flatMap. */
export const appOfRole = (role: string): string[] => (role.startsWith('app.') ? [role.slice(4)] : []);
