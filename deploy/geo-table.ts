import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { Fault } from '../shared/base/fault.ts'
import type { IpFamily } from '../shared/base/ip-address.ts'
import { runProgram } from '../shared/base/program.ts'
import { writeStateFile } from '../shared/base/state-file.ts'
import { BlockRuns, type Runs } from '../shared/geo/block-runs.ts'
import { placeOfRecord } from '../shared/geo/city-record.ts'
import { geoFileFault } from '../shared/geo/place-table-file.ts'
import { encodePlaceTable } from '../shared/geo/place-table-writer.ts'
import { asnRuns } from './geo/asn-runs.ts'
import { MmdbNetworks } from './geo/mmdb-networks.ts'
import { type Cell, PlaceGrid } from './geo/place-grid.ts'

const TABLE_MODE = 0o644

/** `geo-table OUT`: makes the compact table of places from the databases that came with the npm packages. */
await runProgram('geo-table', async () => {
  const out = process.argv[2]
  if (out === undefined) throw new Fault('options-invalid', { mistakes: 'expected the file to write: geo-table OUT' })

  const grid = new PlaceGrid()
  const v4 = readCities(4, grid)
  const v6 = readCities(6, grid)
  const places = grid.places()
  const placesV4 = placeRuns(4, v4)
  const placesV6 = placeRuns(6, v6)
  const asnV4 = fromPackage('asn/asn-ipv4-num.csv', (file) => asnRuns(file.toString('latin1'), 4))
  const asnV6 = fromPackage('asn/asn-ipv6-num.csv', (file) => asnRuns(file.toString('latin1'), 6))
  const bytes = encodePlaceTable({ places, placesV4, placesV6, asnV4, asnV6 })

  mkdirSync(dirname(out), { recursive: true })
  writeStateFile(out, bytes, TABLE_MODE)
  const runs = [placesV4, placesV6, asnV4, asnV6].map(({ starts }) => starts.length).join(' + ')
  console.log(`${out}: ${bytes.length} bytes, ${places.length} places, ${runs} ranges`)
  return undefined
})

interface Cities {
  readonly networks: MmdbNetworks
  /** The cell of each record, by its pointer. */
  readonly cells: ReadonlyMap<number, Cell>
}

/** Reads a city database, and counts its networks in the grid. */
function readCities(family: IpFamily, grid: PlaceGrid): Cities {
  const name = `dbip-city-mmdb/dbip-city-ipv${family}.mmdb`
  const networks = fromPackage(name, (file) => new MmdbNetworks(file, family))
  const records = new Map<number, { address: Uint8Array; networks: number }>()
  networks.forEach((pointer, _start, _size, address) => {
    const record = records.get(pointer)
    if (record === undefined) records.set(pointer, { address: address.slice(), networks: 1 })
    else record.networks++
  })
  const cells = new Map<number, Cell>()
  for (const [pointer, record] of records) {
    const place = placeOfRecord(networks.recordAt(record.address))
    if (place !== undefined) cells.set(pointer, grid.add(place, record.networks))
  }
  return { networks, cells }
}

function placeRuns(family: IpFamily, { networks, cells }: Cities): Runs {
  const runs = new BlockRuns(family)
  networks.forEach((pointer, start, size) => {
    const cell = cells.get(pointer)
    if (cell !== undefined) runs.add(start, start + size, cell.number)
  })
  return runs.finish()
}

/** Reads a file of a database package. @throws Fault state-corrupt, with the file and what to do about it */
function fromPackage<T>(name: string, parse: (file: Buffer) => T): T {
  try {
    return parse(readFileSync(createRequire(import.meta.url).resolve(`@ip-location-db/${name}`)))
  } catch (cause) {
    throw geoFileFault(name, cause)
  }
}
