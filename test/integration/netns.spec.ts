import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'mocha';
import { startTimeOf } from '#kernel/lifecycle/process-identity.ts';
import { waitFor } from '#kernel/time/wait-for.ts';
import { type Network, openNetwork, outside } from '../netns/network.ts';

const run = promisify(execFile);
const port = 20_000;
/** Long enough for a packet on a busy machine, when none is dropped. */
const patienceMs = 3000;

/** Answers each connection with what it is sent. */
const echoServer = `const [host] = process.argv.slice(1);
require('node:net').createServer((s) => s.on('error', () => {}).pipe(s)).listen(${port}, host, () => console.log('up'))`;

/** One byte there and back: milliseconds, or why not. */
const echoClient = `const [host] = process.argv.slice(1);
const s = require('node:net').connect({ host, port: ${port}, timeout: ${patienceMs} });
const say = (what) => { console.log(what); process.exit(0); };
s.on('timeout', () => say('silence')).on('error', (e) => say(e.code));
s.on('connect', () => { const t = performance.now(); s.on('data', () => say(performance.now() - t)); s.write('x'); })`;

describe('a network of namespaces', function () {
  this.timeout(120_000);
  let network: Network;
  let servers: ChildProcess[] = [];

  const [a, b, c] = ['a', 'b', 'c'] as const;
  const host = (name: string) => {
    const found = network.hosts.find((each) => each.name === name);
    assert.ok(found);
    return found;
  };
  const enter = (name: string, script: string, ...args: string[]): string[] => [
    ...(name === outside ? [] : ['nsenter', `--net=${host(name).netns}`, '--']),
    ...[process.execPath, '-e', script, ...args],
  ];
  const echo = async (from: string, to: string): Promise<string> => {
    const [command = '', ...args] = enter(from, echoClient, host(to).address);
    return (await run(command, args)).stdout.trim();
  };
  const reaches = async (from: string, to: string): Promise<boolean> => Number(await echo(from, to)) >= 0;

  before(async () => {
    network = await openNetwork([a, b, c]);
    for (const name of [a, b, c]) {
      const [command = '', ...args] = enter(name, echoServer, host(name).address);
      const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      servers.push(server);
      await once(server.stdout, 'data');
    }
  });

  after(async () => {
    await network?.close();
    for (const server of servers) server.kill('SIGKILL');
  });

  it('joins all hosts and this process', async () => {
    for (const from of [outside, a, b]) assert.ok(await reaches(from, c), from);
  });

  it('knows what runs on a host', () => {
    assert.deepEqual(network.pids(a), [servers[0]?.pid]);
  });

  it('lets a direction be dropped, in silence, and the other not', async () => {
    await network.drop(a, b);
    assert.equal(await echo(a, b), 'silence');
    // What b sends arrives, but a’s answers do not.
    assert.equal(await echo(b, a), 'silence');
    assert.ok(await reaches(a, c));
    await network.heal();
    assert.ok(await reaches(a, b));
  });

  it('is partitioned and healed', async () => {
    await network.partition([a], [b, c]);
    assert.deepEqual(await Promise.all([echo(a, b), echo(c, a)]), ['silence', 'silence']);
    assert.ok((await reaches(b, c)) && (await reaches(outside, a)));
    await network.heal();
    assert.ok((await reaches(a, b)) && (await reaches(c, a)));
  });

  it('isolates a host, and pulls its cable, so that nobody hears of it', async () => {
    for (const lose of [network.isolate, network.linkDown]) {
      await lose(b);
      assert.deepEqual(await Promise.all([echo(a, b), echo(outside, b)]), ['silence', 'silence']);
      assert.ok(await reaches(outside, a));
      await network.heal();
      assert.ok((await reaches(a, b)) && (await reaches(b, a)));
    }
  });

  it('delays what goes between two places by what is asked, and nothing else', async () => {
    await network.delay(a, b, 150);
    const both = Number(await echo(a, b));
    assert.ok(both >= 300, `${both} ms`);
    assert.ok(Number(await echo(b, a)) >= 300);
    await network.delay(outside, c, 100);
    assert.ok(Number(await echo(outside, c)) >= 200);
    assert.ok(Number(await echo(a, c)) >= 0);
    await network.delay(a, b, 0);
    await network.delay(outside, c, 0);
    assert.ok((await reaches(a, b)) && (await reaches(outside, c)));
  });

  it('narrows a host’s link', async () => {
    await network.bandwidth(c, 1_000_000);
    // A quarter of a megabyte each way at a megabit a second takes two seconds, but for what a link may burst.
    const start = performance.now();
    const socket = connect(port, host(c).address);
    let got = 0;
    const all = new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('data', (piece) => {
        got += piece.length;
        if (got === 250_000) resolve();
      });
    });
    socket.write(Buffer.alloc(250_000));
    await all;
    socket.destroy();
    assert.ok(performance.now() - start > 1000);
    await network.bandwidth(c, undefined);
    assert.ok(await reaches(a, c));
  });

  it('lives beside another one, which leaves nothing behind', async () => {
    const before = Object.keys(networkInterfaces());
    const other = await openNetwork([a]);
    assert.notEqual(other.hosts[0]?.address, host(a).address);
    assert.equal(Object.keys(networkInterfaces()).length, before.length + 1);
    await other.close();
    await other.close();
    assert.deepEqual(Object.keys(networkInterfaces()), before);
    assert.ok(await reaches(a, b));
  });

  it('goes, with all that runs in it, when its owner is killed', async () => {
    const script = `const { openNetwork } = await import(${JSON.stringify(import.meta.resolve('../netns/network.ts'))});
      const { spawn } = await import('node:child_process');
      const [host] = (await openNetwork(['x'])).hosts;
      const inside = spawn('nsenter', ['--net=' + host.netns, '--', 'sleep', '1000'], { detached: true });
      console.log(JSON.stringify({ address: host.address, pid: inside.pid }));`;
    const owner = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(owner.stdout, 'data')) as [Buffer];
    const { address, pid } = JSON.parse(line.toString()) as { address: string; pid: number };
    const prefix = address.slice(0, address.lastIndexOf('.'));
    const isThere = (): boolean =>
      Object.values(networkInterfaces()).some((all) =>
        all?.some((each) => each.address.startsWith(`${prefix}.`)),
      );
    assert.ok(isThere() && startTimeOf(pid) !== undefined);
    owner.kill('SIGKILL');
    await waitFor(() => !isThere() && startTimeOf(pid) === undefined, {
      timeoutMs: 30_000,
      what: 'the network of a dead owner to go',
    });
  });

  it('loses everything that runs on a host at once', async () => {
    assert.equal(network.signalAll(a, 'SIGKILL'), 1);
    await waitFor(() => network.pids(a).length === 0, { timeoutMs: 10_000, what: 'the killed to be dead' });
    assert.equal(await echo(b, a), 'ECONNREFUSED');
    servers = servers.slice(1);
  });
});
