/** An IP address as four 32-bit words; IPv4 as the IPv6 address ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
export type Address = readonly [number, number, number, number];

export interface Network {
  readonly address: Address;
  /** Leading bits that count, 0–128. */
  readonly bits: number;
}

/** Undefined when it is no IP address. A port or a zone id makes it none. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(':')) {
    const v4 = parseV4(text);
    return v4 === undefined ? undefined : [0, 0, 0xffff, v4];
  }
  return parseV6(text);
}

/** `10.0.0.0/8`, `2001:db8::/32`, or an address alone. Undefined when it is none of these. */
export function parseNetwork(text: string): Network | undefined {
  const [host = '', length, ...rest] = text.split('/');
  const address = parseAddress(host);
  if (!address || rest.length > 0) return undefined;
  if (length === undefined) return { address, bits: 128 };
  if (!/^\d{1,3}$/.test(length)) return undefined;
  const isV4 = !host.includes(':');
  const bits = Number(length);
  return bits <= (isV4 ? 32 : 128) ? { address, bits: isV4 ? bits + 96 : bits } : undefined;
}

export function contains(network: Network, address: Address): boolean {
  for (let word = 0, bits = network.bits; bits > 0; word++, bits -= 32) {
    const mask = bits >= 32 ? -1 : -1 << (32 - bits);
    if ((((network.address[word] ?? 0) ^ (address[word] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

function parseV4(text: string): number | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    // A leading zero is octal to some readers, so it is no address to us.
    if (!/^(?:0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

function parseV6(text: string): Address | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = hextets(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? hextets(halves[1] ?? '', true) : [];
  if (!head || !tail) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const word = (i: number) => ((all[i * 2] ?? 0) * 0x10000 + (all[i * 2 + 1] ?? 0)) >>> 0;
  return [word(0), word(1), word(2), word(3)];
}

/** The 16-bit groups of one side of `::`; an IPv4 address may stand last. */
function hextets(text: string, mayEndInV4: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const values: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (mayEndInV4 && index === parts.length - 1 && part.includes('.')) {
      const v4 = parseV4(part);
      if (v4 === undefined) return undefined;
      values.push(Math.floor(v4 / 0x10000), v4 % 0x10000);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      values.push(Number.parseInt(part, 16));
    }
  }
  return values;
}
