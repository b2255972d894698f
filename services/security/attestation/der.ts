import { type BaseBlock, Constructed, fromBER, ObjectIdentifier, OctetString, Sequence } from 'asn1js';
import { invalidAttestation } from './attestation.ts';

/** DER, read whole. @throws ATTESTATION_INVALID */
export function readDer(bytes: Uint8Array): BaseBlock {
  const { offset, result } = fromBER(bytes);
  if (offset !== bytes.length) throw invalidAttestation('an ASN.1 value cannot be read');
  return result;
}

/** The parts of a SEQUENCE, a SET or an explicit tag. @throws ATTESTATION_INVALID */
export function partsOf(block: BaseBlock | undefined): readonly BaseBlock[] {
  if (block instanceof Constructed) return block.valueBlock.value;
  throw invalidAttestation('an ASN.1 value is none that has parts');
}

/** @throws ATTESTATION_INVALID */
export function octetsOf(block: BaseBlock | undefined): Buffer {
  if (block instanceof OctetString) return Buffer.from(block.getValue());
  throw invalidAttestation('an ASN.1 value is no octet string');
}

/** What stands in a context-specific tag of a SEQUENCE; undefined when there is none. */
export function tagged(list: BaseBlock | undefined, tag: number): BaseBlock | undefined {
  if (!(list instanceof Sequence)) throw invalidAttestation('an ASN.1 value is no sequence');
  const found = list.valueBlock.value.find(
    ({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === tag,
  );
  return found && partsOf(found)[0];
}

/** The value of a certificate's extension (RFC 5280, section 4.1). @throws ATTESTATION_INVALID when it has none */
export function extensionOf(certificate: Uint8Array, oid: string): BaseBlock {
  const [tbs] = partsOf(readDer(certificate));
  for (const extension of partsOf(tagged(tbs, 3))) {
    const [id, ...rest] = partsOf(extension);
    if (id instanceof ObjectIdentifier && id.getValue() === oid) return readDer(octetsOf(rest.at(-1)));
  }
  throw invalidAttestation(`the certificate has no extension ${oid}`);
}
