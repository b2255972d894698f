import type { DescMessage } from '@bufbuild/protobuf';
import type { z } from 'zod';
import {
  AccessRequestSchema,
  DeviceEnrolmentRequestSchema,
  OffboardingRequestSchema,
  OnboardingRequestSchema,
  PasswordResetRequestSchema,
} from '#gen/sallyport/workflow/v1/workflow_pb.js';
import type { Json } from './engine/json.ts';
import { readInput } from './routine/input.ts';
import { reportInput } from './routine/report.ts';
import { rotateKeysInput } from './routine/rotate-keys.ts';
import { sourceSyncInput } from './routine/source-sync.ts';
import { readForm } from './workflows/request.ts';

const forms: Readonly<Record<string, DescMessage>> = {
  onboarding: OnboardingRequestSchema,
  'device-enrolment': DeviceEnrolmentRequestSchema,
  'access-request': AccessRequestSchema,
  offboarding: OffboardingRequestSchema,
  'password-reset': PasswordResetRequestSchema,
};

const inputs: Readonly<Record<string, z.ZodType>> = {
  report: reportInput,
  'rotate-keys': rotateKeysInput,
  'source-sync': sourceSyncInput,
};

/**
 * What can be told of a task's input before there is a task, while whoever submits it stands by: whether it has the
 * form that its kind begins with. Of kinds that do not ship nothing is known.
 * @throws MALFORMED, INVALID_FIELD
 */
export function checkInput(kind: string, given: Json): void {
  if (Object.hasOwn(forms, kind)) readForm(forms[kind] as DescMessage, given);
  if (Object.hasOwn(inputs, kind)) readInput(inputs[kind] as z.ZodType, given ?? {});
}
