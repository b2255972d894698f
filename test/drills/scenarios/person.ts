import { readFileSync } from 'node:fs';
import type { DescService } from '@bufbuild/protobuf';
import type { Client } from '@connectrpc/connect';
import { SallyportError } from '#core/errors/error.ts';
import { SessionService } from '#gen/sallyport/session/v1/session_pb.js';
import { askEdges } from '#services/cli/people/ask-edge.ts';
import { routeKeyOfUser } from '#services/security/session/login.ts';
import type { OwnMesh } from '#test/mesh.ts';

/** Somebody with a browser: calls past the edges, and logs in again when told to. */
export class Person {
  readonly user: string;
  readonly #mesh: Pick<OwnMesh, 'edgeUrls' | 'publicCa'>;
  readonly password: string;
  #token = '';
  /** After the first. */
  logins = 0;

  constructor(mesh: Pick<OwnMesh, 'edgeUrls' | 'publicCa'>, user: string, password: string) {
    this.#mesh = mesh;
    this.user = user;
    this.password = password;
  }

  async login(): Promise<void> {
    const { user } = this;
    const { token } = await askEdges(this.#places, SessionService, (sessions) =>
      sessions.login({ user, password: this.password }),
    );
    this.#token = token;
  }

  /** Repeats it as it was after a new login. @throws what the mesh answers otherwise */
  async ask<S extends DescService, T>(service: S, call: (client: Client<S>) => Promise<T>): Promise<T> {
    const ask = (): Promise<T> => askEdges({ ...this.#places, token: this.#token }, service, call);
    try {
      return await ask();
    } catch (thrown) {
      if (SallyportError.from(thrown).status !== 'UNAUTHENTICATED') throw thrown;
      this.logins += 1;
      await this.login();
      return ask();
    }
  }

  /** The security pod in whose memory this person's session is. */
  async owner(): Promise<string> {
    const { session } = await this.ask(SessionService, (sessions) => sessions.getSession({}));
    if (session === undefined) throw new Error('the answer has no session');
    return session.pod;
  }

  get #places() {
    const { edgeUrls, publicCa } = this.#mesh;
    return {
      edgeUrls: [...edgeUrls],
      ca: readFileSync(publicCa, 'utf8'),
      routeKey: routeKeyOfUser(this.user),
    };
  }
}
