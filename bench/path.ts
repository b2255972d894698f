import { create, toBinary } from '@bufbuild/protobuf';
import { socketPath } from '#compose/topology/paths.ts';
import { AuthorizeRequestSchema } from '#gen/sallyport/authorize/v1/proxy_authorize_pb.js';
import { runningMesh } from '#services/cli/mesh/mesh-of-state.ts';
import { ownMesh, startTestPhone } from '#test/mesh.ts';
import type { Bench } from './harness/context.ts';
import { loadCore } from './harness/cores.ts';
import { type Figure, plainFigure } from './harness/figure.ts';
import { type Contender, interleave, rateOf } from './harness/interleave.ts';
import type { GrpcLoad } from './load/grpc.ts';
import type { PhonesLoad } from './load/phones.ts';
import { base64 } from './tier.ts';

/** What a request for a page passes, and what a decision does; databases are on neither path. */
const onPath: Readonly<Record<string, RegExp>> = {
  'page with sidecars': /^(edge|proxy|sec|intranet)-/,
  'page, processes alone': /^(proxy|sec|intranet)-\d+ process$/,
  'authorize with sidecars': /^(proxy-0 sidecar|sec-\d+ .*)$/,
};

/** The whole path with all sidecars; for information, since everything on it counts. */
export const path: Bench = {
  name: 'path',
  about: 'a page and a decision through a whole mesh with its sidecars (information)',
  run: async (context) => {
    context.progress('  starting a mesh');
    const mesh = await ownMesh();
    context.defer(() => mesh.close());
    const phone = await startTestPhone(mesh);
    context.defer(() => phone.close());
    const { runDir } = runningMesh(mesh.stateDir).state;
    const { id } = phone.session;
    const request = create(AuthorizeRequestSchema, {
      subject: { case: 'sessionId', value: id },
      request: { method: 'GET', authority: 'intranet.example', path: '/news' },
    });
    const pages = await context.start('load/phones.ts', loadCore, {
      ...{ stateDir: mesh.stateDir, phones: 4, inFlight: 32, path: '/news' },
    } satisfies PhonesLoad);
    const decisions = await context.start('load/grpc.ts', loadCore, {
      socket: socketPath({ stateDir: mesh.stateDir, runDir }, 'proxy-0', 'out'),
      path: '/sallyport.authorize.v1.ProxyAuthorize/Authorize',
      kind: 'unary',
      requests: [base64(toBinary(AuthorizeRequestSchema, request))],
      headers: { 'x-sallyport-route': id.slice(0, id.indexOf('.')) },
      inFlight: 50,
      leastBytes: 200,
    } satisfies GrpcLoad);
    const processes = mesh.processes();
    const contenders = Object.entries(onPath).map(
      ([name, pattern]): Contender => ({
        name,
        pids: processes.filter((each) => pattern.test(each.name)).map(({ identity }) => identity.pid),
        load: name.startsWith('page') ? pages : decisions,
      }),
    );
    const rates = await interleave(context, contenders);
    return contenders.map(
      ({ name }): Figure =>
        plainFigure(
          { name: `path.${name}`, unit: 'requests per CPU second of them all' },
          rateOf(rates, name),
        ),
    );
  },
};
