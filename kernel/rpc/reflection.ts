import {
  createRegistry,
  type DescExtension,
  type DescFile,
  type DescService,
  type MessageInitShape,
  type Registry,
  toBinary,
} from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { Status } from '#core/errors/status.ts';
import { file_google_rpc_error_details } from '#gen/google/rpc/error_details_pb.js';
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from '#gen/grpc/reflection/v1/reflection_pb.js';
import { type Implementation, implement } from './implement.ts';

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

/**
 * Server reflection over these services and whatever their files import, so that grpcurl can list, describe
 * and call them: https://github.com/grpc/grpc/blob/master/doc/server-reflection.md. Also under the older
 * name v1alpha, with the same messages, which tools fall back on.
 */
export function implementReflection(services: readonly DescService[]): Implementation[] {
  const described = [
    ...new Map([...services, ServerReflection].map((each) => [each.typeName, each])).values(),
  ];
  // The details of errors too: no service mentions them, and a tool that knows them can print them.
  const files = [...withImports([...described.map((each) => each.file), file_google_rpc_error_details])];
  const book = new ReflectionBook(described, files);
  return ['grpc.reflection.v1', 'grpc.reflection.v1alpha'].map((area) =>
    implement(
      ServerReflection,
      {
        serverReflectionInfo: async function* (requests) {
          for await (const request of requests) {
            yield {
              validHost: request.host,
              originalRequest: request,
              messageResponse: book.answer(request),
            };
          }
        },
      },
      { typeName: `${area}.ServerReflection`, admitted: false },
    ),
  );
}

/** The files and all they import, each once. */
function withImports(files: readonly DescFile[], seen = new Map<string, DescFile>()): Iterable<DescFile> {
  for (const file of files) {
    if (seen.has(file.proto.name)) continue;
    seen.set(file.proto.name, file);
    withImports(file.dependencies, seen);
  }
  return seen.values();
}

class ReflectionBook {
  readonly #services: readonly DescService[];
  readonly #files: readonly DescFile[];
  readonly #registry: Registry;

  constructor(services: readonly DescService[], files: readonly DescFile[]) {
    this.#services = services;
    this.#files = files;
    this.#registry = createRegistry(...files);
  }

  answer({ messageRequest: asked }: ServerReflectionRequest): Answer {
    switch (asked.case) {
      case 'listServices':
        return {
          case: 'listServicesResponse',
          value: { service: this.#services.map((each) => ({ name: each.typeName })) },
        };
      case 'fileByFilename':
        return this.#file(
          this.#files.find((file) => file.proto.name === asked.value),
          asked.value,
        );
      case 'fileContainingSymbol':
        return this.#file(this.#fileOf(asked.value), asked.value);
      case 'fileContainingExtension': {
        const { containingType, extensionNumber } = asked.value;
        const found = this.#extensionsOf(containingType).find((each) => each.number === extensionNumber);
        return this.#file(found?.file, `${containingType} extension ${extensionNumber}`);
      }
      case 'allExtensionNumbersOfType': {
        if (!this.#registry.getMessage(asked.value)) return missing(asked.value);
        const extensionNumber = this.#extensionsOf(asked.value).map((each) => each.number);
        return {
          case: 'allExtensionNumbersResponse',
          value: { baseTypeName: asked.value, extensionNumber },
        };
      }
      case undefined:
        return {
          case: 'errorResponse',
          value: { errorCode: Status.INVALID_ARGUMENT, errorMessage: 'ask something' },
        };
    }
  }

  /** The file and its imports, so that the asker need not come back for each. */
  #file(file: DescFile | undefined, name: string): Answer {
    if (!file) return missing(name);
    const fileDescriptorProto = [...withImports([file])].map((each) =>
      toBinary(FileDescriptorProtoSchema, each.proto),
    );
    return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
  }

  /** A symbol is a type, an extension, or a member of one: a method, a field, an enum value. */
  #fileOf(symbol: string): DescFile | undefined {
    const found = this.#registry.get(symbol) ?? this.#registry.get(symbol.slice(0, symbol.lastIndexOf('.')));
    return found?.file;
  }

  #extensionsOf(typeName: string): DescExtension[] {
    return [...this.#registry].filter(
      (each): each is DescExtension => each.kind === 'extension' && each.extendee.typeName === typeName,
    );
  }
}

function missing(name: string): Answer {
  return {
    case: 'errorResponse',
    value: { errorCode: Status.NOT_FOUND, errorMessage: `no ${name.slice(0, 200)}` },
  };
}
