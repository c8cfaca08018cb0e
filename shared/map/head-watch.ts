import { isFault } from '../base/fault.ts'
import { faultFields, type Log } from '../base/log.ts'
import { readStateFile, writeStateFile } from '../base/state-file.ts'
import {
  breaksLog,
  contradictionView,
  encodeContradiction,
  findBrokenLog,
  findContradiction,
  type MapContradiction,
  verifyContradiction,
} from './map-contradiction.ts'
import type { MapReader } from './map-download.ts'
import type { Network } from './network.ts'
import type { HubMap } from './signed-map.ts'

export interface HeadWatchParts {
  readonly network: Network
  /** Where the first proof is kept. */
  readonly proofFile: string
  readonly log: Log
}

/** Compares the maps that are held with what others have, and keeps the proof if there are two of one epoch. */
export class HeadWatch {
  readonly #parts: HeadWatchParts
  #found: MapContradiction | undefined
  #comparing = false

  constructor(parts: HeadWatchParts) {
    this.#parts = parts
    this.#load()
  }

  /** The first contradiction that was ever found. */
  get contradiction(): MapContradiction | undefined {
    return this.#found
  }

  /**
   * Asks each of them. Who does not answer, or has no proof for what he says, counts for nothing.
   * @param known the newest map, then that of before
   */
  async compare(readers: readonly MapReader[], known: readonly HubMap[]): Promise<void> {
    if (this.#found !== undefined || this.#comparing || known.length === 0) return
    this.#comparing = true
    const { network, log } = this.#parts
    const [newest, before] = known
    const broken = newest !== undefined && before !== undefined && breaksLog(newest, before)
    if (broken) log.warn('the hub map does not name the one before it', { epoch: newest.content.epoch })
    try {
      for (const reader of readers) {
        for (const find of broken ? [findContradiction, findBrokenLog] : [findContradiction]) {
          const found = await find(reader, known, network).catch(() => undefined)
          if (found !== undefined) return this.#keep(found)
        }
      }
    } finally {
      this.#comparing = false
    }
  }

  #keep(found: MapContradiction): void {
    const { log, proofFile } = this.#parts
    this.#found = found
    try {
      writeStateFile(proofFile, encodeContradiction(found))
    } catch (error) {
      log.error('the proof is not kept on disk', faultFields(error))
    }
    log.error('directories signed two hub maps of one epoch', contradictionView(found))
  }

  #load(): void {
    const { network, log, proofFile } = this.#parts
    try {
      const bytes = readStateFile(proofFile)
      if (bytes === undefined) return
      this.#found = verifyContradiction(bytes, network)
      log.error('directories signed two hub maps of one epoch', contradictionView(this.#found))
    } catch (error) {
      if (!isFault(error)) throw error
      log.warn('kept proof not used', faultFields(error))
    }
  }
}
