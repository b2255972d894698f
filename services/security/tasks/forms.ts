import {
  createFileRegistry,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  fromJson,
  type JsonValue,
  toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { createValidator } from '@bufbuild/protovalidate';
import { SallyportError } from '#core/errors/error.ts';
import { violationsText } from '#kernel/rpc/validate.ts';
import type { Json } from '#services/tasks/engine/json.ts';
import type { StoredForm } from '#services/tasks/store/read-items.ts';

/** Forms that are kept ready; a release has a few dozen. */
const maxForms = 200;

interface Form {
  readonly desc: DescMessage;
  readonly registry: FileRegistry;
  readonly validator: ReturnType<typeof createValidator>;
}

/** Reads what people type by the descriptions that workers have left: this tier knows none of the forms. */
export class Forms {
  readonly #forms = new Map<string, Form>();

  /** What has been typed so far, which may be incomplete. @throws INVALID_FIELD when it is no such form at all */
  draft(id: string, stored: StoredForm, text: string): string {
    const { desc, registry } = this.#form(id, stored);
    const message = read(desc, registry, text);
    return JSON.stringify(toJson(desc, message, { registry }));
  }

  /** @throws INVALID_FIELD naming the fields whose rules it breaks */
  complete(id: string, stored: StoredForm, text: string): Json {
    const { desc, registry, validator } = this.#form(id, stored);
    const message = read(desc, registry, text);
    const result = validator.validate(desc, message);
    if (result.kind === 'error') throw new SallyportError('INTERNAL', { cause: result.error });
    if (result.kind === 'invalid') {
      throw new SallyportError('INVALID_FIELD', { message: violationsText(desc, result.violations) });
    }
    return toJson(desc, message, { registry }) as Json;
  }

  #form(id: string, { type, descriptorSet }: StoredForm): Form {
    const known = this.#forms.get(id);
    if (known !== undefined) return known;
    const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
    const desc = registry.getMessage(type);
    if (desc === undefined) {
      throw new SallyportError('INTERNAL', { message: `the description of ${type} does not describe it` });
    }
    const form = { desc, registry, validator: createValidator({ registry }) };
    if (this.#forms.size >= maxForms) this.#forms.clear();
    this.#forms.set(id, form);
    return form;
  }
}

function read(desc: DescMessage, registry: FileRegistry, text: string) {
  try {
    return fromJson(desc, JSON.parse(text) as JsonValue, { registry });
  } catch (cause) {
    // Its words name the field; they quote no more than its value.
    const why = cause instanceof Error ? cause.message.slice(0, 300) : 'it cannot be read';
    throw new SallyportError('INVALID_FIELD', { message: `this is no ${desc.typeName}: ${why}`, cause });
  }
}
