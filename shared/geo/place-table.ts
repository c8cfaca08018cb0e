import { ByteReader } from '../base/byte-reader.ts'
import { equalBytes, parseUtf8, utf8 } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { familyOf, type IpAddress, type IpFamily } from '../base/ip-address.ts'
import { HASH_BYTES, sha256 } from '../crypto/kdf.ts'
import { blockOf } from './block-runs.ts'
import { isPlace, type Location, type Place } from './place.ts'
import { HEAD_BYTES, RunList } from './run-list.ts'

/**
 * The compact table of places: where every address is, to the block (/24 or /48) and the cell of a coarse grid, and
 * which autonomous system announces it. Made at set-up of the full databases, which are too large for a client.
 *
 *     offset  size  what                                             network order
 *     0       8     "SPNPLACE"
 *     8       1     version, 1
 *     9       3     zero
 *     12      4     P, number of places
 *     16      4     N, bytes of all names
 *     20      8     list 0, places of IPv4 blocks: C chunks u32, B bytes of entries u32 (run-list.ts has the format)
 *     28      8     list 1, places of IPv6 blocks
 *     36      8     list 2, AS numbers of IPv4 blocks
 *     44      8     list 3, AS numbers of IPv6 blocks
 *     52      10P   places: latitude i16, longitude i16 (hundredths of a degree), country (2 ASCII, or zeros),
 *                   end of the city's name in the names u32
 *             N     names of cities, UTF-8, one after the other
 *             …     lists 0 to 3: 10C bytes of heads, B bytes of entries
 *             32    SHA-256 of everything before
 *
 * A value of the first two lists is the number of a place, counted from 1. The hash finds damage, not attackers.
 */
export const MAGIC = utf8('SPNPLACE')
export const VERSION = 1
export const HEADER_BYTES = 52
export const PLACE_BYTES = 10
/** Places are kept in hundredths of a degree, about 1 km. */
export const STEPS_PER_DEGREE = 100
const MAX_ASN = 0xffff_ffff

/** A table of places over its bytes, which it borrows and does not unpack. */
export class PlaceTable {
  /** Places that the table knows. */
  readonly placeCount: number
  readonly #places: DataView
  readonly #names: Uint8Array
  readonly #placeRuns: Readonly<Record<IpFamily, RunList>>
  readonly #asnRuns: Readonly<Record<IpFamily, RunList>>

  /** @throws Fault state-corrupt, with the reason */
  static parse(bytes: Uint8Array): PlaceTable {
    return new PlaceTable(bytes)
  }

  private constructor(bytes: Uint8Array) {
    const reader = new ByteReader(bytes)
    if (!equalBytes(reader.bytes(MAGIC.length), MAGIC)) throw damaged('it is not a table of places')
    const version = reader.u8()
    if (version !== VERSION) throw damaged(`it has version ${version}, and this program reads version ${VERSION}`)
    const zeros = reader.bytes(3)
    const placeCount = reader.u32()
    const nameBytes = reader.u32()
    const sizes = [0, 1, 2, 3].map(() => ({ chunks: reader.u32(), entryBytes: reader.u32() }))
    const places = reader.bytes(placeCount * PLACE_BYTES)
    const names = reader.bytes(nameBytes)
    const lists = sizes.map(({ chunks, entryBytes }) => ({
      heads: reader.bytes(chunks * HEAD_BYTES),
      entries: reader.bytes(entryBytes),
    }))
    const hash = reader.bytes(HASH_BYTES)
    if (!reader.ended) throw damaged(reader.overrun ? 'it is cut short' : 'something follows its end')
    if (!equalBytes(hash, sha256(bytes.subarray(0, -HASH_BYTES)))) throw damaged('its bytes were changed')
    if (zeros.some((byte) => byte !== 0)) throw damaged('its header is malformed')

    const [placesV4, placesV6, asnV4, asnV6] = lists.map((list) => new RunList(list)) as [
      RunList,
      RunList,
      RunList,
      RunList,
    ]
    this.placeCount = placeCount
    this.#places = new DataView(places.buffer, places.byteOffset, places.length)
    this.#names = names
    this.#placeRuns = { 4: placesV4, 6: placesV6 }
    this.#asnRuns = { 4: asnV4, 6: asnV6 }
    for (let i = 0; i < placeCount; i++) {
      if (this.#place(i) === undefined) throw damaged(`place ${i + 1} is malformed`)
    }
  }

  /** Where the address is; undefined if that is not known, even if its AS number is. */
  lookup(address: IpAddress): Location | undefined {
    const number = this.#placeRuns[familyOf(address)].valueAt(blockOf(address))
    const place = number >= 1 && number <= this.placeCount ? this.#place(number - 1) : undefined
    return place === undefined ? undefined : { place, asn: this.asnOf(address) }
  }

  /** Number of the autonomous system that announces the address; 0 if unknown. */
  asnOf(address: IpAddress): number {
    const asn = this.#asnRuns[familyOf(address)].valueAt(blockOf(address))
    return asn <= MAX_ASN ? asn : 0
  }

  #place(index: number): Place | undefined {
    const at = index * PLACE_BYTES
    const nameStart = index === 0 ? 0 : this.#places.getUint32(at - 4)
    const nameEnd = this.#places.getUint32(at + 6)
    if (nameStart > nameEnd || nameEnd > this.#names.length) return undefined
    const city = parseUtf8(this.#names.subarray(nameStart, nameEnd))
    if (city === undefined) return undefined
    const high = this.#places.getUint8(at + 4)
    const place = {
      latitude: this.#places.getInt16(at) / STEPS_PER_DEGREE,
      longitude: this.#places.getInt16(at + 2) / STEPS_PER_DEGREE,
      country: high === 0 ? '' : String.fromCharCode(high, this.#places.getUint8(at + 5)),
      city,
    }
    return isPlace(place) ? place : undefined
  }
}

function damaged(reason: string): Fault {
  return new Fault('state-corrupt', { reason })
}
