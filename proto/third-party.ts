/**
 * Collects the third-party .proto files that ours import, from the npm packages that carry them, into
 * a folder that git ignores: nothing foreign is copied into the tree.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { file_buf_validate_validate } from '@bufbuild/protovalidate/gen/buf/validate/validate_pb.js';
import { printProtoFile } from './print-proto.ts';

const xds = 'node_modules/@grpc/grpc-js-xds/deps';

/** Where an import path is found; the first root that has it wins. */
const roots = [
  `${xds}/envoy-api`,
  `${xds}/xds`,
  `${xds}/googleapis`,
  `${xds}/protoc-gen-validate`,
  'node_modules/grpc-health-check/proto',
  'node_modules/@grpc/reflection/build/proto',
];

const entries = [
  'envoy/service/auth/v3/external_auth.proto',
  'google/rpc/error_details.proto',
  'google/rpc/status.proto',
  'health/v1/health.proto',
  'grpc/reflection/v1/reflection.proto',
];

/** Files that a package keeps under another path than the one by which they are imported. */
const placed: Record<string, string> = { 'health/v1/health.proto': 'grpc/health/v1/health.proto' };

export function collectThirdParty(target: string): void {
  rmSync(target, { recursive: true, force: true });
  write(join(target, 'buf/validate/validate.proto'), printProtoFile(file_buf_validate_validate.proto));
  const pending = [...entries];
  const seen = new Set<string>();
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const root = roots.find((r) => existsSync(join(r, path)));
    if (root === undefined) throw new Error(`no package carries ${path}: run npm ci`);
    const text = readFileSync(join(root, path), 'utf8');
    // The old validate.proto of protoc-gen-validate does not know this option, and nothing here reads it.
    write(
      join(target, placed[path] ?? path),
      text.replaceAll(/,?\s*ignore_empty: true/g, '').replaceAll(/\{\s*,/g, '{'),
    );
    for (const [, imported] of text.matchAll(/^import (?:public )?"([^"]+)";/gm)) {
      if (imported !== undefined && !imported.startsWith('google/protobuf/')) pending.push(imported);
    }
  }
}

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
