import type { ExchangeOptions } from './exchange.ts'

/** What a client says first: which connection this is, and what the server is to do. */
export interface Header extends ExchangeOptions {
  readonly id: number
}

export const HEADER_BYTES = 4 + 8 + 1

export function writeHeader({ id, bytes, endsLast }: Header): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(id, 0)
  header.writeBigUInt64BE(BigInt(bytes), 4)
  header.writeUInt8(endsLast ? 1 : 0, 12)
  return header
}

export function readHeader(header: Buffer): Header {
  return {
    id: header.readUInt32BE(0),
    bytes: Number(header.readBigUInt64BE(4)),
    endsLast: header.readUInt8(12) === 1,
  }
}
