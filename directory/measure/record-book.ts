import { toHex } from '../../shared/base/bytes.ts'
import { isFault } from '../../shared/base/fault.ts'
import type { ProbedHub } from '../prober.ts'
import type { Store } from '../store.ts'
import { decodeRecord, encodeRecord, type HubRecord, NO_RECORD, withProbe, withResult } from './hub-record.ts'

/**
 * Records of all hubs: in memory, and on disk when `save` is called. What is noted before they were read is lost: it must not
 * stand in the place of what is there.
 */
export class RecordBook {
  readonly #store: Store
  readonly #records = new Map<string, HubRecord>()
  /** Hubs whose record on disk is older than the one here. */
  readonly #unsaved = new Map<string, Uint8Array>()
  #loading: Promise<void> | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /** Reads what was saved, here or by another replica, unless that was done. @throws Fault state-corrupt; those of a store */
  load(): Promise<void> {
    if (this.#loading !== undefined) return this.#loading
    const loading = this.#load()
    this.#loading = loading
    loading.catch(() => {
      if (this.#loading === loading) this.#loading = undefined
    })
    return loading
  }

  /** Another replica may have saved since: its records are to be read, and count. */
  reopen(): void {
    this.#loading = undefined
  }

  of(hubId: Uint8Array): HubRecord {
    return this.#records.get(toHex(hubId)) ?? NO_RECORD
  }

  probed({ hubId, answered, rttMs }: ProbedHub, atS: number): void {
    this.#put(hubId, withProbe(this.of(hubId), { atS, answered, rttMs }))
  }

  carried(hubId: Uint8Array, kbits: number, atS: number): void {
    this.#put(hubId, withResult(this.of(hubId), { atS, kbits }))
  }

  weighed(hubId: Uint8Array, weightKbits: number): void {
    const record = this.of(hubId)
    if (record.weightKbits !== weightKbits) this.#put(hubId, { ...record, weightKbits })
  }

  /** Forgets all but these hubs. */
  keep(isKnown: (key: string) => boolean): void {
    for (const key of this.#records.keys()) {
      if (isKnown(key)) continue
      this.#records.delete(key)
      this.#unsaved.delete(key)
    }
  }

  /** What could not be saved is still to be saved. */
  async save(): Promise<void> {
    await this.load()
    const hubIds = [...this.#unsaved.values()]
    if (hubIds.length === 0) return
    this.#unsaved.clear()
    try {
      await this.#store.putRecords(hubIds.map((hubId) => ({ hubId, record: encodeRecord(this.of(hubId)) })))
    } catch (error) {
      for (const hubId of hubIds) this.#unsaved.set(toHex(hubId), hubId)
      throw error
    }
  }

  async #load(): Promise<void> {
    const found = await this.#store.records()
    this.#records.clear()
    this.#unsaved.clear()
    for (const { hubId, record } of found) this.#records.set(toHex(hubId), readRecord(record))
  }

  #put(hubId: Uint8Array, record: HubRecord): void {
    this.#records.set(toHex(hubId), record)
    this.#unsaved.set(toHex(hubId), hubId)
  }
}

/** One that is damaged is none: it must not keep the others from being read. */
function readRecord(bytes: Uint8Array): HubRecord {
  try {
    return decodeRecord(bytes) ?? NO_RECORD
  } catch (error) {
    if (isFault(error)) return NO_RECORD
    throw error
  }
}
