import { create, createFileRegistry, type DescService, type Message } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';
import type { RpcLog } from './server-options.ts';

/** A service with all four kinds of methods, made at run time, for specs: `message Text { string text = 1; }`. */
export function echoService(): DescService {
  const stream = (name: string, clientStreaming: boolean, serverStreaming: boolean) => ({
    name,
    inputType: '.spec.Text',
    outputType: '.spec.Text',
    clientStreaming,
    serverStreaming,
  });
  const file = create(FileDescriptorProtoSchema, {
    name: 'spec/echo.proto',
    package: 'spec',
    syntax: 'proto3',
    messageType: [
      {
        name: 'Text',
        field: [{ name: 'text', number: 1, type: Type.STRING, label: Label.OPTIONAL, jsonName: 'text' }],
      },
    ],
    service: [
      {
        name: 'Echo',
        method: [
          stream('One', false, false),
          stream('Down', false, true),
          stream('Up', true, false),
          stream('Both', true, true),
        ],
      },
    ],
  });
  const service = createFileRegistry(file, () => undefined).getService('spec.Echo');
  if (!service) throw new Error('the descriptor of spec.Echo is wrong');
  return service;
}

/** The text of a Text. */
export function textOf(message: Message): string {
  return String(Reflect.get(message, 'text'));
}

export interface LogLine {
  readonly level: string;
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps its lines. */
export function keepLog(): RpcLog & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields, message });
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
