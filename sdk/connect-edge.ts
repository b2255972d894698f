import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** How the time for connecting grows, milliseconds. */
export interface Patience {
  /** For the first try, and after every success. */
  readonly firstMs: number;
  /** It doubles up to this, each time that it was too short: a slow network is not a dead edge. */
  readonly longestMs: number;
}

/**
 * Makes connections to one edge, giving each up when TCP and TLS do not stand in time: an edge whose host is
 * gone answers nothing at all, and the system would wait for minutes. Time in which this process did not run
 * does not count.
 */
export function edgeConnector(tls: ConnectionOptions, patience: Patience): (url: URL) => Socket {
  let boundMs = patience.firstMs;
  return (url) => {
    const ms = boundMs;
    const socket = open(url, tls);
    let timer: NodeJS.Timeout | undefined;
    const wait = (): void => {
      const due = performance.now() + ms;
      timer = setTimeout(() => {
        if (performance.now() - due >= ms / 4) return wait();
        // What has arrived meanwhile is read after the timers have run.
        setImmediate(() => {
          if (timer === undefined) return;
          boundMs = Math.min(ms * 2, patience.longestMs);
          socket.destroy(new Error(`no connection to ${url.host} within ${ms} ms`));
        });
      }, ms);
    };
    const settle = (): void => {
      clearTimeout(timer);
      timer = undefined;
    };
    socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
      settle();
      boundMs = patience.firstMs;
    });
    socket.once('close', settle);
    wait();
    return socket;
  };
}

function open(url: URL, tls: ConnectionOptions): Socket {
  // IPv6 addresses stand in brackets in a URL.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol !== 'https:') return connectTcp({ host, port: Number(url.port) || 80 });
  // An address is no server name (RFC 6066, section 3).
  const servername = /^[\d.]+$|:/.test(host) ? {} : { servername: host };
  return connectTls({ ...tls, ...servername, host, port: Number(url.port) || 443, ALPNProtocols: ['h2'] });
}
