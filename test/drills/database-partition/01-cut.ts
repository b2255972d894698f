export { step } from '../host-partition/01-cut.ts';
