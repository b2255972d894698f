import type { AppInfo } from '#sdk/enrolment.ts';

/** The app that the demo's policy knows (`policy.yaml`). */
export const demoApp: AppInfo = {
  platform: process.platform,
  appId: 'com.example.field',
  version: '1.2.0',
  posture: { rooted: 'false' },
};

/** The host that the demo's policy names. */
export const demoOrigin = 'https://intranet.example';
