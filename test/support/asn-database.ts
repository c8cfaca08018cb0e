const text = (word: string): Buffer => Buffer.concat([Buffer.of(0x40 | word.length), Buffer.from(word)])
const uint16 = (value: number): Buffer => Buffer.of(0xa2, value >> 8, value & 0xff)
const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(5, 0xc4)
  bytes.writeUInt32BE(value, 1)
  return bytes
}
const map = (fields: Readonly<Record<string, Buffer>>): Buffer =>
  Buffer.concat([
    Buffer.of(0xe0 | Object.keys(fields).length),
    ...Object.entries(fields).flatMap(([name, value]) => [nameOf(name), value]),
  ])

/** From 29 bytes on the length of a text stands in the next byte. */
function nameOf(name: string): Buffer {
  return name.length < 29 ? text(name) : Buffer.concat([Buffer.of(0x5d, name.length - 29), Buffer.from(name)])
}

/** A MaxMind database of both families that knows the AS number of one IPv4 /8, as GeoLite2-ASN would. */
export function asnDatabase(firstByte: number, asn: number): Uint8Array {
  const bits = [...Array<number>(96).fill(0), ...Array.from({ length: 8 }, (_, i) => (firstByte >> (7 - i)) & 1)]
  const count = bits.length
  const tree = Buffer.alloc(count * 6)
  for (const [node, bit] of bits.entries()) {
    const next = node + 1 < count ? node + 1 : count + 16
    tree.writeUIntBE(bit === 0 ? next : count, node * 6, 3)
    tree.writeUIntBE(bit === 1 ? next : count, node * 6 + 3, 3)
  }
  const metadata = map({
    binary_format_major_version: uint16(2),
    binary_format_minor_version: uint16(0),
    build_epoch: uint32(1_700_000_000),
    database_type: text('GeoLite2-ASN'),
    ip_version: uint16(6),
    node_count: uint32(count),
    record_size: uint16(24),
  })
  const data = map({ autonomous_system_number: uint32(asn) })
  const marker = Buffer.concat([Buffer.of(0xab, 0xcd, 0xef), Buffer.from('MaxMind.com')])
  return Buffer.concat([tree, Buffer.alloc(16), data, marker, metadata])
}
