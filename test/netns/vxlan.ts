/** The bytes of a VXLAN packet (RFC 7348): 8 of its own header, 14 of Ethernet, then IPv4. */
const headers = { vxlan: 8, ethernet: 14 } as const;
const ip = headers.vxlan + headers.ethernet;
const ipv4 = 0x0800;
const protocols = { tcp: 6, udp: 17 } as const;
/** Where the checksum stands in the header of each. */
const checksumAt: Readonly<Record<number, number>> = { [protocols.tcp]: 16, [protocols.udp]: 6 };

export const vxlan = {
  /** IANA's. */
  port: 4789,
  /** Network numbers: to the relay, and back. */
  away: 1,
  back: 2,

  /** Addresses of the IPv4 packet inside; undefined if there is none. */
  addresses(packet: Buffer): { from: string; to: string } | undefined {
    if (packet.length < ip + 20 || packet.readUInt16BE(headers.vxlan + 12) !== ipv4) return undefined;
    const at = (offset: number): string => packet.subarray(offset, offset + 4).join('.');
    return { from: at(ip + 12), to: at(ip + 16) };
  },

  setNetwork(packet: Buffer, network: number): void {
    packet.writeUIntBE(network, 4, 3);
  },

  /**
   * Writes the checksum of the TCP or UDP inside. Between namespaces the kernel leaves that to a network
   * card which is not there, and would drop the packet when it comes back as if from a wire.
   */
  completeChecksum(packet: Buffer): void {
    const start = ip + ((packet[ip] ?? 0) & 0x0f) * 4;
    const end = ip + packet.readUInt16BE(ip + 2);
    const protocol = packet[ip + 9] ?? 0;
    const at = checksumAt[protocol];
    // Only the first of fragments has the header, and these are whole.
    const isFragment = (packet.readUInt16BE(ip + 6) & 0x3fff) !== 0;
    if (at === undefined || isFragment || end > packet.length || start + at + 2 > end) return;
    packet.writeUInt16BE(0, start + at);
    const pseudo = sum(packet, ip + 12, ip + 20) + protocol + (end - start);
    const checksum = ~fold(pseudo + sum(packet, start, end)) & 0xffff;
    // In UDP zero would mean that there is none (RFC 768).
    packet.writeUInt16BE(checksum === 0 && protocol === protocols.udp ? 0xffff : checksum, start + at);
  },
};

/** Of 16-bit words (RFC 1071); an odd byte is the first of its word. */
function sum(packet: Buffer, start: number, end: number): number {
  let total = 0;
  for (let at = start; at + 1 < end; at += 2) total += packet.readUInt16BE(at);
  return (end - start) % 2 === 1 ? total + (packet[end - 1] ?? 0) * 256 : total;
}

function fold(total: number): number {
  let folded = total;
  while (folded > 0xffff) folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}
