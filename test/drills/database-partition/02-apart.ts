export { step } from '../host-partition/02-apart.ts';
