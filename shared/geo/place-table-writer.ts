import { ByteWriter } from '../base/byte-writer.ts'
import { concatBytes, utf8 } from '../base/bytes.ts'
import { sha256 } from '../crypto/kdf.ts'
import type { Runs } from './block-runs.ts'
import type { Place } from './place.ts'
import { HEADER_BYTES, MAGIC, PLACE_BYTES, STEPS_PER_DEGREE, VERSION } from './place-table.ts'
import { encodeRuns, HEAD_BYTES } from './run-list.ts'

export interface PlaceTableContent {
  /** The frequent ones first: low numbers take less room. */
  readonly places: readonly Place[]
  /** Values are numbers of places, counted from 1. */
  readonly placesV4: Runs
  readonly placesV6: Runs
  /** Values are AS numbers. */
  readonly asnV4: Runs
  readonly asnV6: Runs
}

/** The bytes of a table of places; place-table.ts has the format. */
export function encodePlaceTable({ places, placesV4, placesV6, asnV4, asnV6 }: PlaceTableContent): Uint8Array {
  const names = places.map((place) => utf8(place.city))
  const lists = [placesV4, placesV6, asnV4, asnV6].map(encodeRuns)

  const header = new Uint8Array(HEADER_BYTES)
  const writer = new ByteWriter(header).bytes(MAGIC).u8(VERSION).bytes(new Uint8Array(3)).u32(places.length)
  writer.u32(names.reduce((sum, name) => sum + name.length, 0))
  for (const { heads, entries } of lists) writer.u32(heads.length / HEAD_BYTES).u32(entries.length)

  const body = lists.flatMap(({ heads, entries }) => [heads, entries])
  const content = concatBytes(header, encodePlaces(places, names), ...names, ...body)
  return concatBytes(content, sha256(content))
}

function encodePlaces(places: readonly Place[], names: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(places.length * PLACE_BYTES)
  const writer = new ByteWriter(bytes)
  let nameEnd = 0
  for (const [i, { latitude, longitude, country }] of places.entries()) {
    nameEnd += names[i]?.length ?? 0
    writer.u16(steps(latitude)).u16(steps(longitude))
    writer.bytes(country === '' ? new Uint8Array(2) : utf8(country)).u32(nameEnd)
  }
  return bytes
}

/** As the 16 bits of a signed number. */
function steps(degrees: number): number {
  return Math.round(degrees * STEPS_PER_DEGREE) & 0xffff
}
