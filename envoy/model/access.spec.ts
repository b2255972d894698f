import assert from 'node:assert/strict';
import type { DescService } from '@bufbuild/protobuf';
import { MethodOptions_IdempotencyLevel as Level } from '@bufbuild/protobuf/wkt';
import { describe, it } from 'mocha';
import { ProxyAuthorize } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { AppCatalog, AppDelivery, CatalogStore } from '#gen/sallyport/catalog/v1/catalog_pb.js';
import { Directory } from '#gen/sallyport/directory/v1/directory_pb.js';
import { KeyStore } from '#gen/sallyport/keystore/v1/key_store_pb.js';
import { PeerService } from '#gen/sallyport/peer/v1/peer_pb.js';
import { Policy } from '#gen/sallyport/policy/v1/policy_pb.js';
import { Relay } from '#gen/sallyport/relay/v1/relay_pb.js';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { TaskService } from '#gen/sallyport/task/v1/task_pb.js';
import { WorkItemService } from '#gen/sallyport/task/v1/work_item_pb.js';
import { access, type Method, publicMethods } from './access.ts';

const services: readonly DescService[] = [
  SessionService,
  KeyStore,
  Directory,
  Policy,
  AppCatalog,
  AppDelivery,
  CatalogStore,
  ProxyAuthorize,
  PeerService,
  Relay,
  TaskService,
  WorkItemService,
];
const table = new Map<string, Method>(
  Object.values(access)
    .flatMap((callers) => Object.values(callers).flat())
    .map((m) => [m.path, m]),
);
const described = services.flatMap((service) =>
  service.methods.map((method) => ({ path: `/${service.typeName}/${method.name}`, method })),
);

describe('the table of who may call what', () => {
  it('lets somebody call every method of the contracts, and knows no other of ours', () => {
    assert.deepEqual(
      described.map((d) => d.path).filter((path) => !table.has(path)),
      [],
    );
    const known = new Set(described.map((d) => d.path));
    const ours = services.map((service) => `/${service.typeName}/`);
    assert.deepEqual(
      [...table.keys()].filter((path) => ours.some((name) => path.startsWith(name)) && !known.has(path)),
      [],
    );
  });

  it('repeats whatever the contracts mark as idempotent, and holds streams open', () => {
    for (const { path, method } of described) {
      const mode = table.get(path)?.mode;
      if (method.methodKind !== 'unary') assert.equal(mode, 'stream', path);
      else if (method.idempotency !== Level.IDEMPOTENCY_UNKNOWN)
        assert.ok(mode === 'repeatable' || mode === 'quick', `${path} is ${mode}`);
      else assert.notEqual(mode, 'stream', path);
    }
  });

  it('opens to edges nothing but what is public, and health', () => {
    for (const target of ['proxy', 'security'] as const)
      assert.deepEqual(
        (access[target].edge ?? []).filter(
          (m) =>
            !publicMethods[target].some((p) => p.path === m.path) && !m.path.startsWith('/grpc.health.v1.'),
        ),
        [],
      );
  });
});
