import { createWriteStream } from 'node:fs';
import { resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FetchInit } from '#sdk/request.ts';
import type { SessionResponse } from '#sdk/response.ts';
import type { CommandContext } from '../command.ts';
import { UsageError } from '../failure.ts';
import { runningMesh } from '../mesh/mesh-of-state.ts';
import type { Outcome } from '../report.ts';
import type { GetOptions } from './device-options.ts';
import { keptSession, withDevice } from './this-device.ts';

/** With --json a body up to so many bytes comes along, when it is text. */
const maxInlineBytes = 65_536;

/** `sallyport device get` */
export function runGet(options: GetOptions, command: CommandContext, url: string): Promise<Outcome> {
  const { stateDir, signal, report, err, clock } = command;
  return withDevice(runningMesh(stateDir), options, command, async (device) => {
    const session = keptSession(stateDir, options.name, device);
    const start = clock.monotonic();
    const response = await session.fetch(url, { ...requestOf(options), signal });
    if (options.include === true && !report.json) {
      const fields = [...response.headers].map(([name, value]) => `${name}: ${value}\n`);
      command.out(`${response.status}\n${fields.join('')}\n`);
    }
    const { bytes, body } = await deliver(response, options, command);
    const ms = Math.round(clock.monotonic() - start);
    if (options.verbose === true) {
      err(`* status ${response.status}, ${bytes} bytes by ${response.proxy} in ${ms} ms\n`);
    }
    return {
      ok: response.ok,
      ...(report.json && {
        figures: [
          { name: 'bytes', value: bytes, unit: 'B', goal: '', ok: true },
          { name: 'time', value: ms, unit: 'ms', goal: '', ok: true },
        ],
      }),
      items: {
        url: response.url,
        status: response.status,
        headers: Object.fromEntries(response.headers),
        proxy: response.proxy,
        requestId: response.requestId,
        ...(body !== undefined && { body }),
      },
    };
  });
}

/** The body to where it is wanted, piece by piece. */
async function deliver(
  response: SessionResponse,
  { output }: GetOptions,
  { report, cwd, outBytes, signal }: CommandContext,
): Promise<{ bytes: number; body?: string }> {
  let bytes = 0;
  const inline: Uint8Array[] = [];
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of response.body) {
      bytes += chunk.length;
      yield chunk;
    }
  };
  if (output !== undefined) {
    await pipeline(Readable.from(counted()), createWriteStream(resolve(cwd, output)), { signal });
    return { bytes };
  }
  for await (const chunk of counted()) {
    if (!report.json && !(await written(outBytes(chunk)))) break;
    else if (bytes <= maxInlineBytes) inline.push(chunk);
  }
  const isText = /^text\/|json|xml/.test(response.headers.get('content-type') ?? '');
  return report.json && isText && bytes <= maxInlineBytes
    ? { bytes, body: Buffer.concat(inline).toString('utf8') }
    : { bytes };
}

/** False when whoever read our output has had enough, such as `head`: that is no failure. */
async function written(writing: Promise<void>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return false;
    throw error;
  }
}

function requestOf({ request, header = [], data }: GetOptions): FetchInit {
  const headers = header.map((line): readonly [string, string] => {
    const colon = line.indexOf(':');
    if (colon < 1) {
      throw new UsageError(`${JSON.stringify(line)} is not a header`, 'write it as "name: value"');
    }
    return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
  });
  return {
    method: request ?? (data === undefined ? 'GET' : 'POST'),
    headers,
    ...(data !== undefined && { body: data }),
  };
}
