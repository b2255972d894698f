import type { Connectors } from '../connectors/connectors.ts';
import type { TaskDefinition } from '../engine/definition.ts';
import { accessRequest } from './access-request.ts';
import { deviceEnrolment } from './device-enrolment.ts';
import { offboarding } from './offboarding.ts';
import { onboarding } from './onboarding.ts';
import { passwordReset } from './password-reset.ts';

/** Workflows that ship. */
export const workflows = (connectors: () => Connectors): readonly TaskDefinition[] => [
  onboarding(connectors),
  deviceEnrolment(connectors),
  accessRequest(connectors),
  offboarding(connectors),
  passwordReset(connectors),
];
