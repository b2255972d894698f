import { createTransport, type Transporter } from 'nodemailer';
import type { Connector } from './connector.ts';
import { refused, silent, unreachable, wasSent } from './target-errors.ts';

export interface Mail {
  /** Name of the mail server among the targets. */
  readonly target: string;
  /** Addresses; 1 to 50. */
  readonly to: readonly string[];
  readonly subject: string;
  /** At most 256 KiB. */
  readonly text: string;
}

export interface MailServer {
  readonly host: string;
  readonly port: number;
  readonly implicitTls: boolean;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly from: string;
  readonly again: boolean;
  readonly timeoutMs: number;
  readonly ca: string | undefined;
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** Whom the server would not take it for. */
export type MailResult = { readonly rejected: readonly string[] };

const maxRecipients = 50;
const maxTextBytes = 262_144;

/**
 * Mail by SMTP, which knows no repetition (RFC 5321 section 4.5.4.1 has servers live with it): the Message-ID is the
 * step's token, by which mailboxes that deduplicate keep one. Where a second copy must not be, the target says so, and
 * none is sent after a crash.
 */
export function mail(
  serverOf: (target: string) => MailServer,
): Connector<Mail, MailResult> & { close(): Promise<void> } {
  const transports = new Map<string, Transporter>();
  const transportOf = (target: string, server: MailServer): Transporter => {
    const { host, port, implicitTls: secure, user, password, timeoutMs, ca } = server;
    const transport =
      transports.get(target) ??
      createTransport({
        ...{ host, port, secure },
        requireTLS: !secure && !/^(localhost|127\.[\d.]+|::1)$/.test(host),
        ...(user !== undefined && { auth: { user, pass: password ?? '' } }),
        tls: { minVersion: 'TLSv1.2', ...(ca !== undefined && { ca }) },
        connectionTimeout: timeoutMs,
        greetingTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
    transports.set(target, transport);
    return transport;
  };

  return {
    name: 'mail',
    deduplicates: ({ target }) => (serverOf(target).again ? 'token' : 'once'),
    act: async ({ target, to, subject, text }, { token, signal }) => {
      const server = serverOf(target);
      if (to.length < 1 || to.length > maxRecipients)
        throw refused(target, `1 to ${maxRecipients} recipients`);
      if (Buffer.byteLength(text) > maxTextBytes) throw refused(target, `more than ${maxTextBytes} bytes`);
      const domain = server.from.slice(server.from.lastIndexOf('@') + 1);
      return server.run(async () => {
        try {
          const { rejected } = await transportOf(target, server).sendMail({
            ...{ from: server.from, to: [...to], subject, text },
            messageId: `<${token}@${domain}>`,
            // No answer by a machine: RFC 3834 section 5.
            headers: { 'Auto-Submitted': 'auto-generated' },
          });
          return { rejected: (rejected ?? []).map(String) };
        } catch (error) {
          throw mailError(target, error);
        }
      }, signal);
    },
    close: async () => {
      for (const transport of transports.values()) transport.close();
    },
  };
}

/** By the reply code: RFC 5321 section 4.2.1, 4yz passes, 5yz does not. */
function mailError(target: string, error: unknown): Error {
  const code =
    typeof error === 'object' && error !== null && 'responseCode' in error ? Number(error.responseCode) : 0;
  if (code >= 500 && code < 600) return refused(target, error);
  if (code >= 400 && code < 500) return unreachable(target, error);
  return wasSent(error) ? silent(target, error) : unreachable(target, error);
}
