import type { Step } from '../drill.ts';

export const step: Step = ({ watch, lastsMs }) => watch(lastsMs);
