import type { GatewayTarget } from '../target-schema.ts';
import { commandConnector } from './command.ts';
import type { Connector } from './connector.ts';
import { httpConnector } from './http.ts';
import { ldapConnector } from './ldap.ts';
import { tcpConnector } from './tcp.ts';

/**
 * @param pod name of this gateway
 * @throws what reading its files throws
 */
export function openConnector(target: GatewayTarget, pod: string): Connector {
  switch (target.kind) {
    case 'http':
      return httpConnector(target, pod);
    case 'tcp':
      return tcpConnector(target);
    case 'ldap':
      return ldapConnector(target);
    case 'command':
      return commandConnector(target);
  }
}
