/** What suites about the app catalogue share. */
import { testApp } from './device-messages.ts';

export const { appId } = testApp;
const nothing = (): void => undefined;
export const noLog = { debug: nothing, info: nothing, warn: nothing, error: nothing };
