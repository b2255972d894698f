/**
 * Prints a file descriptor as .proto text. Only what an importer needs: messages, fields, oneofs, enums
 * and extensions; comments and custom options are left out.
 */
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
} from '@bufbuild/protobuf/wkt';
import { Edition, FieldDescriptorProto_Label, FieldDescriptorProto_Type } from '@bufbuild/protobuf/wkt';

const MAX_EXTENSION = 536870912;

export function printProtoFile(file: FileDescriptorProto): string {
  if (file.edition !== Edition.EDITION_UNKNOWN && file.syntax === 'editions') {
    throw new Error(`${file.name}: editions are not printed`);
  }
  return [
    `syntax = "${file.syntax === 'proto3' ? 'proto3' : 'proto2'}";`,
    `package ${file.package};`,
    ...file.dependency.map((d) => `import "${d}";`),
    ...file.enumType.flatMap((e) => printEnum(e)),
    ...file.messageType.flatMap((m) => printMessage(m)),
    ...printExtensions(file.extension),
    '',
  ].join('\n');
}

function printEnum(e: EnumDescriptorProto): string[] {
  return [`enum ${e.name} {`, ...e.value.map((v) => `  ${v.name} = ${v.number};`), '}'];
}

function printMessage(m: DescriptorProto): string[] {
  const mapEntries = new Map(
    m.nestedType.filter((n) => n.options?.mapEntry === true).map((n) => [n.name, n] as const),
  );
  // An `optional` of proto3 is a oneof of its own in descriptors.
  const inOneof = (f: FieldDescriptorProto) => isSet(f, 'oneofIndex') && !f.proto3Optional;
  return [
    `message ${m.name} {`,
    ...m.enumType.flatMap((e) => printEnum(e)),
    ...m.nestedType.filter((n) => !mapEntries.has(n.name)).flatMap((n) => printMessage(n)),
    ...m.field.filter((f) => !inOneof(f)).map((f) => printField(f, mapEntries)),
    ...m.oneofDecl.flatMap((o, index) => {
      const fields = m.field.filter((f) => inOneof(f) && f.oneofIndex === index);
      return fields.length === 0
        ? []
        : [`oneof ${o.name} {`, ...fields.map((f) => printField(f, mapEntries, true)), '}'];
    }),
    ...m.extensionRange.map(
      (r) => `extensions ${r.start} to ${r.end === MAX_EXTENSION ? 'max' : r.end - 1};`,
    ),
    ...m.reservedRange.map((r) => `reserved ${r.start} to ${r.end - 1};`),
    ...m.reservedName.map((n) => `reserved "${n}";`),
    ...printExtensions(m.extension),
    '}',
  ];
}

function printExtensions(fields: FieldDescriptorProto[]): string[] {
  return fields.flatMap((f) => [`extend ${f.extendee} {`, printField(f, new Map()), '}']);
}

function printField(f: FieldDescriptorProto, maps: Map<string, DescriptorProto>, bare = false): string {
  const entry =
    f.type === FieldDescriptorProto_Type.MESSAGE ? maps.get(f.typeName.split('.').at(-1) ?? '') : undefined;
  if (entry !== undefined) {
    const [key, value] = entry.field;
    if (key === undefined || value === undefined) throw new Error(`${f.name}: not a map entry`);
    return `map<${typeOf(key)}, ${typeOf(value)}> ${f.name} = ${f.number};`;
  }
  const label = bare
    ? ''
    : f.label === FieldDescriptorProto_Label.REPEATED
      ? 'repeated '
      : f.label === FieldDescriptorProto_Label.REQUIRED
        ? 'required '
        : 'optional ';
  return `${label}${typeOf(f)} ${f.name} = ${f.number};`;
}

function typeOf(f: FieldDescriptorProto): string {
  switch (f.type) {
    case FieldDescriptorProto_Type.MESSAGE:
    case FieldDescriptorProto_Type.ENUM:
      return f.typeName;
    case FieldDescriptorProto_Type.GROUP:
      throw new Error(`${f.name}: groups are not printed`);
    default:
      return FieldDescriptorProto_Type[f.type].toLowerCase();
  }
}

function isSet(f: FieldDescriptorProto, field: 'oneofIndex'): boolean {
  return Object.hasOwn(f, field);
}
