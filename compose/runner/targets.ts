import type { z } from 'zod';
import { targetsConfig } from '#services/tasks/connectors/targets.ts';
import { parseGiven, readGiven } from './given-file.ts';

/** As workers take them. */
export type Targets = z.input<typeof targetsConfig>;

/** The text of a targets.yaml. @throws CONFIG_INVALID when it cannot be read */
export const readTargets = (file: string): string => readGiven(file, '--targets');

/** @throws CONFIG_INVALID naming what is wrong */
export const parseTargets = (text: string, source: string): Targets =>
  parseGiven(targetsConfig, text, source);
