import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { concatBytes, equalBytes, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES } from '../crypto/ed25519.ts'

const FORMAT = 1
const MAGIC_BYTES = 4
const HEADER_BYTES = MAGIC_BYTES + 1 + 1 + 4
const MAX_SIGNATURES = 64

export interface MapSignature {
  readonly directoryKey: Uint8Array
  readonly signature: Uint8Array
}

/**
 * What the signed map and a diff to it have in common (SPEC sections 11.4 and 11.11).
 *
 *     magic (4) | format u8 | signatures u8 | length u32 | ( directory key (32) | signature (64) ) × n | content
 */
export interface SignedFrame {
  /** Not checked. */
  readonly signatures: readonly MapSignature[]
  /** Of the body, which is the content, or packed in it. */
  readonly length: number
  readonly content: Uint8Array
}

/** @param magic four letters */
export function encodeSignedFrame(magic: string, { signatures, length, content }: SignedFrame): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES)
  new ByteWriter(header).bytes(utf8(magic)).u8(FORMAT).u8(signatures.length).u32(length)
  return concatBytes(header, ...signatures.flatMap(({ directoryKey, signature }) => [directoryKey, signature]), content)
}

/** Views of the bytes. @throws Fault document-too-large, encoding-invalid */
export function readSignedFrame(magic: string, bytes: Uint8Array, maxBytes: number): SignedFrame {
  if (bytes.length > maxBytes) throw new Fault('document-too-large', { bytes: bytes.length, maxBytes })
  const reader = new ByteReader(bytes)
  const isOfKind = equalBytes(reader.bytes(MAGIC_BYTES), utf8(magic))
  const format = reader.u8()
  const count = reader.u8()
  const length = reader.u32()
  if (!isOfKind || format !== FORMAT || count > MAX_SIGNATURES) throw new Fault('encoding-invalid')
  const signatures: MapSignature[] = []
  for (let i = 0; i < count; i++) {
    const directoryKey = reader.bytes(ED25519_KEY_BYTES)
    signatures.push({ directoryKey, signature: reader.bytes(ED25519_SIGNATURE_BYTES) })
  }
  const content = reader.rest()
  if (!reader.ended) throw new Fault('encoding-invalid')
  return { signatures, length, content }
}
