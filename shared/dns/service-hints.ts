import { ByteReader } from '../base/byte-reader.ts'

const IPV4_HINT = 4
const IPV6_HINT = 6
const MAX_LABEL_BYTES = 63

/**
 * Addresses that the data of an SVCB or HTTPS record names (RFC 9460, section 7.3), which browsers connect to without
 * asking for others. What stands in front of a mistake counts too. Views of `data`.
 *
 *     priority u16 | name (never compressed) | (key u16 | length u16 | value)*
 */
export function serviceHints(data: Uint8Array): Uint8Array[] {
  const reader = new ByteReader(data)
  reader.u16()
  for (let label = reader.u8(); label > 0; label = reader.u8()) {
    if (label > MAX_LABEL_BYTES) return []
    reader.bytes(label)
  }
  const hints: Uint8Array[] = []
  while (reader.remaining > 0) {
    const key = reader.u16()
    const value = reader.bytes(reader.u16())
    if (reader.overrun) break
    const width = key === IPV4_HINT ? 4 : key === IPV6_HINT ? 16 : 0
    for (let at = 0; width > 0 && at + width <= value.length; at += width) hints.push(value.subarray(at, at + width))
  }
  return hints
}
