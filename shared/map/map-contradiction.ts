import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { concatBytes, equalBytes, toHex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { MapReader } from './map-download.ts'
import type { Network } from './network.ts'
import { type HubMap, UnverifiedMap } from './signed-map.ts'

/** Two maps of one epoch that enough directories signed: a proof that more of them lie than the network can bear. */
export interface MapContradiction {
  readonly epoch: number
  readonly maps: readonly [HubMap, HubMap]
}

/**
 * Compares what somebody shows with maps that are known (SPEC section 11.14). What he only claims is nothing: the other
 * map has to be there, with its signatures.
 * @param known of several epochs, at most one of each, the newest first
 * @throws anything if he does not answer
 */
export async function findContradiction(
  reader: MapReader,
  known: readonly HubMap[],
  network: Network,
): Promise<MapContradiction | undefined> {
  const { epoch, hash } = await reader.head()
  const ours = known.find(({ content }) => content.epoch === epoch)
  if (ours !== undefined) return equalBytes(hash, ours.hash) ? undefined : proofWith(reader, hash, ours, network)
  return undefined
}

/**
 * The newest map names another one as the map before it than the one that was held then. That alone can be right, where an
 * epoch was skipped; but if what it names is of the same epoch, there are two.
 */
export async function findBrokenLog(
  reader: MapReader,
  known: readonly HubMap[],
  network: Network,
): Promise<MapContradiction | undefined> {
  const [newest, before] = known
  if (newest === undefined || before === undefined || !breaksLog(newest, before)) return undefined
  return proofWith(reader, newest.content.previousHash, before, network)
}

/** Does this map name another one as the map before it than that of the epoch before? */
export function breaksLog(newest: HubMap, before: HubMap): boolean {
  const follows = newest.content.epoch === before.content.epoch + 1
  return follows && !equalBytes(newest.content.previousHash, before.hash)
}

async function proofWith(
  reader: MapReader,
  hash: Uint8Array,
  ours: HubMap,
  network: Network,
): Promise<MapContradiction | undefined> {
  const other = new UnverifiedMap(await reader.map(hash)).verifyOfAnyTime(network)
  const { epoch } = ours.content
  if (other.content.epoch !== epoch || equalBytes(other.hash, ours.hash)) return undefined
  return { epoch, maps: [ours, other] }
}

/** For `spn status` and the log. */
export function contradictionView({ epoch, maps }: MapContradiction): { epoch: number; maps: string } {
  return { epoch, maps: maps.map(({ hash }) => toHex(hash)).join(' ') }
}

/** length u32 | signed map | the other signed map: whoever has the network file can check it */
export function encodeContradiction({ maps: [one, other] }: MapContradiction): Uint8Array {
  const length = new Uint8Array(4)
  new ByteWriter(length).u32(one.bytes.length)
  return concatBytes(length, one.bytes, other.bytes)
}

/** @throws Fault encoding-invalid if it proves nothing, and those of `UnverifiedMap.verifyOfAnyTime` */
export function verifyContradiction(bytes: Uint8Array, network: Network): MapContradiction {
  const reader = new ByteReader(bytes)
  const one = new UnverifiedMap(reader.bytes(reader.u32())).verifyOfAnyTime(network)
  const other = new UnverifiedMap(reader.rest()).verifyOfAnyTime(network)
  const { epoch } = one.content
  if (reader.overrun || epoch !== other.content.epoch || equalBytes(one.hash, other.hash)) {
    throw new Fault('encoding-invalid')
  }
  return { epoch, maps: [one, other] }
}
