import type { Step } from '../drill.ts';

export const step: Step = ({ watch }) => watch(3000);
