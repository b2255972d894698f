/** A page in a browser: the SDK as in docs/CLIENTS.md, but by Connect instead of gRPC-Web. */
import { createTransport } from '@connectrpc/connect/protocol-connect';
import { wholeRequests } from '#sdk/browser.ts';
import type { ConnectEdge } from '#sdk/edges.ts';
import { Device, enroll, memoryStore } from '#sdk/index.ts';

interface Given {
  readonly activation: string;
  readonly user: string;
  readonly password: string;
}

const maxMessageBytes = 4 * 1024 * 1024;

const connect: ConnectEdge = (url) => ({
  transport: createTransport({
    baseUrl: url,
    httpClient: wholeRequests(),
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    readMaxBytes: maxMessageBytes,
    writeMaxBytes: maxMessageBytes,
  }),
  streams: false,
});

const { activation, user, password } = (await (await fetch('/given.json')).json()) as Given;
const app = { platform: 'web', appId: 'com.example.field', version: '1.2.0' };
const options = { app, connect, store: memoryStore() };
await enroll(activation, { ...options, deviceName: 'browser' });
const device = await Device.load(options);
const session = await device.open({ user, password, origin: 'https://intranet.example' });
const page = await session.fetch('/news');
const { document } = globalThis as { readonly document?: { readonly body: { innerHTML: string } } };
if (document !== undefined) document.body.innerHTML = await page.text();
await session.close();
device.close();
