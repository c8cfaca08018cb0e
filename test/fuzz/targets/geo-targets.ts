import { asnRuns } from '../../../deploy/geo/asn-runs.ts'
import { concatBytes, equalBytes, utf8 } from '../../../shared/base/bytes.ts'
import { sha256 } from '../../../shared/crypto/kdf.ts'
import { placeOfRecord } from '../../../shared/geo/city-record.ts'
import { PlaceTable } from '../../../shared/geo/place-table.ts'
import { encodeRuns, HEAD_BYTES, RunList } from '../../../shared/geo/run-list.ts'
import { encodeCanonical } from '../../../shared/map/canonical.ts'
import { placeValue, readPlace } from '../../../shared/map/place-codec.ts'
import { ValueReader } from '../../../shared/map/value-reader.ts'
import { ip, smallPlaceTable } from '../../support/geo-fixtures.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { orFault } from './document-targets.ts'
import { parseJson } from './options-targets.ts'

const HASH_BYTES = 32
const LOOKED_UP = ['0.0.0.0', '8.8.8.8', '198.18.0.1', '255.255.255.255', '::', '2001:db8::1', 'ffff::'].map(ip)

/** The table without its hash, which is put behind it here: the hash finds damage, not attackers. */
const placeTable: FuzzTarget = {
  name: 'place-table',
  about: 'the compact table of places',
  maxBytes: 2048,
  seeds: () => [smallPlaceTable().slice(0, -HASH_BYTES)],
  run(input) {
    const table = orFault(['state-corrupt'], () => PlaceTable.parse(concatBytes(input, sha256(input))))
    if (typeof table === 'string') return table
    let found = 0
    for (const address of LOOKED_UP) {
      const asn = table.asnOf(address)
      promise(Number.isInteger(asn) && asn >= 0 && asn <= 0xffff_ffff, 'an AS number has 32 bits')
      const place = table.lookup(address)?.place
      if (place === undefined) continue
      found++
      promise(Math.abs(place.latitude) <= 90 && Math.abs(place.longitude) <= 180, 'a place is on Earth')
      promise(place.country === '' || /^[A-Z]{2}$/.test(place.country), 'a country is two letters')
    }
    return `finds ${found}`
  },
}

const runs = (...starts: number[]) => ({
  starts: Float64Array.from(starts),
  values: Uint32Array.from(starts, (_, i) => (i * 7919) % 100_000),
})

/** heads u8, in units of a head | heads | entries */
const runList: FuzzTarget = {
  name: 'run-list',
  about: 'runs of blocks in the table of places',
  maxBytes: 1024,
  seeds: () =>
    [runs(), runs(0), runs(1, 2, 2 ** 33), runs(...Array.from({ length: 130 }, (_, i) => i * 300))].map((list) => {
      const { heads, entries } = encodeRuns(list)
      return concatBytes(Uint8Array.of(heads.length / HEAD_BYTES), heads, entries)
    }),
  run(input) {
    const headBytes = Math.min(input[0] ?? 0, Math.floor(Math.max(0, input.length - 1) / HEAD_BYTES)) * HEAD_BYTES
    const parts = { heads: input.slice(1, 1 + headBytes), entries: input.slice(1 + headBytes) }
    const list = orFault(['state-corrupt'], () => new RunList(parts))
    if (typeof list === 'string') return list
    for (const block of [0, 1, 300, 2 ** 24 - 1, 2 ** 33, 2 ** 48 - 1]) {
      promise(typeof list.valueAt(block) === 'number', 'a look-up does not fail')
    }
    return headBytes === 0 ? 'empty' : 'read'
  },
}

const RANGES = '0,255,64500,"A"\n256,1000,64501,"B, C"\n16777216,16777471,13335,"D"\n'

/** What a set-up makes of the CSV file of AS numbers. It is data that was brought, so a mistake in it may throw. */
const asnTable: FuzzTarget = {
  name: 'asn-table',
  about: 'the file of AS numbers that set-up reads',
  maxBytes: 1024,
  words: ['\n', ',', '4294967295', '-1', '16777216', '0x10', '""'].map(utf8),
  seeds: () => [utf8(RANGES), utf8(RANGES.replaceAll('\n', '\r\n'))],
  run(input) {
    let made: ReturnType<typeof asnRuns>
    try {
      made = asnRuns(Buffer.from(input).toString('utf8'), 4)
    } catch (error) {
      promise(error instanceof SyntaxError || error instanceof RangeError, 'a mistake has its own kind of error')
      return 'refused'
    }
    promise(
      made.starts.every((start, i) => i === 0 || start > (made.starts[i - 1] as number)),
      'starts ascend',
    )
    promise(made.starts.length === made.values.length, 'a value for each start')
    const list = new RunList(encodeRuns(made))
    for (const [i, start] of made.starts.entries())
      promise(list.valueAt(start) === made.values[i], 'all are found again')
    return `runs ${Math.min(made.starts.length, 3)}`
  },
}

const cityRecord: FuzzTarget = {
  name: 'city-record',
  about: 'a record of the city database, and the place made of it',
  maxBytes: 512,
  json: true,
  seeds: () => [
    utf8(JSON.stringify({ city: 'Vienna (Inner city)', country_code: 'AT', latitude: 48.2132, longitude: 16.3601 })),
    utf8(JSON.stringify({ city: '', country_code: '', latitude: -90, longitude: 180 })),
  ],
  run(input) {
    const place = placeOfRecord(parseJson(input))
    if (place === undefined) return 'refused'
    const encoded = encodeCanonical(placeValue(place))
    const back = readPlace(new ValueReader(placeValue(place)))
    promise(back !== undefined, 'a map can carry every place')
    promise(equalBytes(encodeCanonical(placeValue(back)), encoded), 'written and read again')
    return `place ${place.country === '' ? '' : 'country'} ${place.city === '' ? '' : 'city'}`
  },
}

export const GEO_TARGETS: readonly FuzzTarget[] = [placeTable, runList, asnTable, cityRecord]
