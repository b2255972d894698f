export { step } from '../host-partition/03-heal.ts';
