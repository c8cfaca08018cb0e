import { ByteReader } from '../base/byte-reader.ts'
import { concatBytes, equalBytes, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES } from '../crypto/circuit-key.ts'
import { bundleKeys } from './key-bundles.ts'
import type { HubMap } from './signed-map.ts'

const MAGIC = utf8('SPNK')
const FORMAT = 1

/** What is in front of the keys of a diff for a map of so many hubs, in bytes. */
const headBytes = (hubs: number): number => MAGIC.length + 1 + Math.ceil(hubs / 8)

/** A key diff for a map of so many hubs is not longer. */
export function maxKeyDiffBytes(hubs: number): number {
  return headBytes(hubs) + hubs * CIRCUIT_PUBLIC_KEY_BYTES
}

/**
 * Circuit keys of one map that another one has not (SPEC section 11.11). Keys are like chance, so packing them is no use.
 *
 *     "SPNK" | format u8 | a bit for each hub of the new map, the highest of a byte first | circuit key (1216) × n
 *
 * @param keys for each hub of the new map, its key, or undefined if the old map has it
 */
export function encodeKeyDiff(keys: readonly (Uint8Array | undefined)[]): Uint8Array {
  const head = new Uint8Array(headBytes(keys.length))
  head.set(MAGIC)
  head[MAGIC.length] = FORMAT
  const bits = head.subarray(MAGIC.length + 1)
  for (const [i, key] of keys.entries()) if (key !== undefined) bits[i >> 3] = (bits[i >> 3] as number) | bitOf(i)
  return concatBytes(head, ...keys.filter((key) => key !== undefined))
}

/**
 * The bundles of keys of a map, of a diff and the map held. Not checked: that is for `HubMap.withKeys`.
 * @throws Fault encoding-invalid if the diff is none for this map; keys-damaged if the held map has not what it relies on
 */
export function applyKeyDiff(diff: Uint8Array, { content: { hubs } }: HubMap, held: HubMap): Uint8Array[] {
  const reader = new ByteReader(diff)
  const magic = reader.bytes(MAGIC.length)
  const format = reader.u8()
  const bits = reader.bytes(Math.ceil(hubs.length / 8))
  if (reader.overrun || !equalBytes(magic, MAGIC) || format !== FORMAT) throw new Fault('encoding-invalid')
  const keys = hubs.map((hub, i) => {
    const isNew = ((bits[i >> 3] as number) & bitOf(i)) !== 0
    const key = isNew ? reader.bytes(CIRCUIT_PUBLIC_KEY_BYTES) : held.keys?.bytesOf(hub)
    if (key === undefined) throw new Fault('keys-damaged', { hub: hub.key })
    return key
  })
  if (!reader.ended) throw new Fault('encoding-invalid')
  return bundleKeys(hubs, keys)
}

function bitOf(i: number): number {
  return 0x80 >> (i & 7)
}
