import {
  createFileRegistry,
  type DescField,
  type DescMessage,
  fromBinary,
  ScalarType,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { SallyportError } from '#core/errors/error.ts';
import type { GetFormResponse } from '#gen/sallyport/task/v1/work_item_pb.js';
import { UsageError } from '../failure.ts';

type Typed = string | boolean | readonly (string | boolean)[];

/** The message of a form, by its own description. */
export function formMessage({
  type,
  descriptorSet,
}: Pick<GetFormResponse, 'type' | 'descriptorSet'>): DescMessage {
  const message = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet)).getMessage(type);
  if (message === undefined) {
    throw new SallyportError('MALFORMED', { message: `the form does not describe ${type}` });
  }
  return message;
}

/** One line for each field: its name, and what can be typed there. */
export const fieldLines = ({ fields }: DescMessage): string[] =>
  fields.map((field) => `  ${field.name.padEnd(20)} ${kindOf(field)}`);

function kindOf(field: DescField): string {
  if (field.fieldKind === 'list') return `list of ${valuesOf(field)}`;
  return field.fieldKind === 'map' ? 'map (by --form only)' : valuesOf(field);
}

function valuesOf(field: DescField): string {
  if (field.enum !== undefined) {
    return field.enum.values
      .slice(1)
      .map((value) => value.localName.toLowerCase())
      .join(' | ');
  }
  if (field.message !== undefined) return `${field.message.name} (by --form only)`;
  return field.scalar === undefined ? '?' : (ScalarType[field.scalar]?.toLowerCase() ?? '?');
}

/** What `--set field=value` says, as JSON of protobuf. @throws UsageError for what the form does not have */
export function typedFields(message: DescMessage, settings: readonly string[]): Record<string, Typed> {
  return Object.fromEntries(
    settings.map((setting) => {
      const at = setting.indexOf('=');
      const name = at < 0 ? setting : setting.slice(0, at);
      const field = message.fields.find((each) => each.name === name || each.jsonName === name);
      if (at < 0 || field === undefined) {
        throw new UsageError(
          at < 0 ? `"${setting}" has no =` : `the form has no field "${name}"`,
          `its fields are: ${message.fields.map((each) => each.name).join(', ')}`,
        );
      }
      return [field.jsonName, typed(field, setting.slice(at + 1))];
    }),
  );
}

function typed(field: DescField, text: string): Typed {
  if (field.fieldKind === 'list') {
    return text === '' ? [] : text.split(',').map((each) => one(field, each.trim()));
  }
  return one(field, text);
}

function one(field: DescField, text: string): string | boolean {
  if (field.message !== undefined || field.fieldKind === 'map') {
    throw new UsageError(`${field.name} is not a single value`, 'give the whole form with --form');
  }
  if (field.enum !== undefined) {
    const wanted = text.toLowerCase();
    const value = field.enum.values.find(
      (each) => each.name.toLowerCase() === wanted || each.localName.toLowerCase() === wanted,
    );
    if (value !== undefined) return value.name;
    throw new UsageError(`${field.name} cannot be "${text}"`, `it can be: ${valuesOf(field)}`);
  }
  if (field.scalar !== ScalarType.BOOL) return text;
  if (text === 'true' || text === 'false') return text === 'true';
  throw new UsageError(`${field.name} cannot be "${text}"`, 'it is true or false');
}
