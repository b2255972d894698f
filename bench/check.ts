import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { CheckRequestSchema } from '#gen/envoy/service/auth/v3/external_auth_pb.js';
import { contender } from './authorize.ts';
import type { Bench } from './harness/context.ts';
import { serverCore } from './harness/cores.ts';
import { plainFigure, ratioFigure, undecided } from './harness/figure.ts';
import { type Contender, interleave, rateOf } from './harness/interleave.ts';
import { assertionsOf, base64, startTier } from './tier.ts';

const goal = { atLeast: 0.8 };

export const check: Bench = {
  name: 'check',
  about: 'ext_authz Check of a security process beside a trivial ext_authz server on grpc-js',
  run: async (context) => {
    const tier = await startTier(context);
    const sessions = await tier.sessions(8);
    const freshBearers = async () => (await assertionsOf(tier, sessions)).map((jwt) => `Bearer ${jwt}`);
    const bearers = await freshBearers();
    const socket = join(context.dir, 'map.sock');
    const tokens = bearers.map((bearer) => [bearer, 'ada']);
    const trivial = await context.start('servers/ext-authz-map.ts', serverCore, { socket, tokens });
    const encoded = (shown: readonly string[]): string[] =>
      shown.map((bearer) => base64(toBinary(CheckRequestSchema, request(bearer))));
    const load = {
      path: '/envoy.service.auth.v3.Authorization/Check',
      kind: 'unary',
      inFlight: 50,
      headers: { 'x-forwarded-client-cert': 'URI=spiffe://sallyport.internal/gateway/gw-0' },
      requests: encoded(bearers),
    } as const;
    // An answer that allows carries an assertion; one that denies is shorter.
    const loaded = { ...load, socket: tier.pod.grpcSocket, leastBytes: 450 };
    const ours = await contender(context, 'check', tier.pid, loaded);
    let shownAt = performance.now();
    const refreshed: Contender = {
      ...ours,
      load: {
        ask: async (value) => {
          // An assertion lives a minute.
          if (performance.now() - shownAt > 20_000) {
            shownAt = performance.now();
            await ours.load.ask({ requests: encoded(await freshBearers()) });
          }
          return ours.load.ask(value);
        },
      },
    };
    const contenders = [
      await contender(context, 'trivial', trivial.pid, { ...load, socket, leastBytes: 10 }),
      refreshed,
    ];
    const rates = await interleave(context, contenders, (so) =>
      undecided(rateOf(so, 'check'), rateOf(so, 'trivial'), goal),
    );
    const unit = 'requests per CPU second, as a ratio to a trivial ext_authz server';
    return [
      ratioFigure({ name: 'check.check', unit, goal }, rateOf(rates, 'check'), rateOf(rates, 'trivial')),
      ...contenders.map(({ name }) =>
        plainFigure({ name: `check.${name}.rate`, unit: 'requests per CPU second' }, rateOf(rates, name)),
      ),
    ];
  },
};

/** As Envoy sends it, with the headers of a browser. */
function request(authorization: string) {
  return create(CheckRequestSchema, {
    attributes: {
      source: { principal: 'spiffe://sallyport.internal/gateway/gw-0' },
      request: {
        http: {
          id: '5f2c1f3e-7c1e-4f0e-9a57-8a0f3a0c6b1d',
          method: 'GET',
          host: 'intranet.example',
          path: '/news?page=2',
          scheme: 'https',
          protocol: 'HTTP/2',
          headers: {
            ':authority': 'intranet.example',
            ':method': 'GET',
            ':path': '/news?page=2',
            accept: 'text/html,application/xhtml+xml',
            'user-agent': 'field/1.3.0 (android 15)',
            'x-request-id': '5f2c1f3e-7c1e-4f0e-9a57-8a0f3a0c6b1d',
            authorization,
          },
        },
      },
    },
  });
}
