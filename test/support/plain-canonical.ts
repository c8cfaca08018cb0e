import type { Value } from '../../shared/map/canonical.ts'
import { join, u16, u32 } from './noble-primitives.ts'

/** The canonical encoding of SPEC section 11.1, written out by hand: the slow, obvious twin. */
export function plainCanonical(value: Value): Uint8Array {
  if (typeof value === 'number') {
    if (value < 0x80) return Uint8Array.of(value)
    if (value < 0x100) return Uint8Array.of(0xcc, value)
    return value < 0x1_0000 ? join([0xcd], u16(value)) : join([0xce], u32(value))
  }
  if (value instanceof Uint8Array) {
    return value.length < 0x100 ? join([0xc4, value.length], value) : join([0xc5], u16(value.length), value)
  }
  const head = value.length < 16 ? Uint8Array.of(0x90 | value.length) : join([0xdc], u16(value.length))
  return join(head, ...value.map(plainCanonical))
}
