import { join } from 'node:path'
import { concatBytes, toHex } from '../shared/base/bytes.ts'
import { loadState, writeStateFile } from '../shared/base/state-file.ts'
import { HUB_ID_BYTES } from '../shared/crypto/hub-key.ts'

/** So many home hubs are remembered, the one in use first. */
export const MAX_HOMES = 4

/**
 * The home hubs of this client, kept on purpose: a client that changes its first hop often meets a bad one sooner.
 * The file holds hub ids (32 bytes each), the preferred one first.
 */
export class HomeStore {
  readonly #file: string
  #ids: Uint8Array[]

  /** @throws Fault state-corrupt */
  constructor(stateDir: string) {
    this.#file = join(stateDir, 'homes')
    this.#ids = loadState(this.#file, decode) ?? []
  }

  /** Hub ids, the preferred one first. */
  get ids(): readonly Uint8Array[] {
    return this.#ids
  }

  /**
   * Adds a hub that worked, behind those that are known already; where all places are taken, in the last one.
   * @throws Fault state-unwritable; this object knows it then all the same
   */
  add(id: Uint8Array): void {
    if (this.#ids.some((known) => toHex(known) === toHex(id))) return
    this.#save([...this.#ids.slice(0, MAX_HOMES - 1), id])
  }

  /** Forgets hubs that are not in the map any more. @throws as `add` */
  keep(isKnown: (id: Uint8Array) => boolean): void {
    const kept = this.#ids.filter(isKnown)
    if (kept.length < this.#ids.length) this.#save(kept)
  }

  #save(ids: Uint8Array[]): void {
    this.#ids = ids
    writeStateFile(this.#file, concatBytes(...ids))
  }
}

function decode(bytes: Uint8Array): Uint8Array[] | undefined {
  if (bytes.length % HUB_ID_BYTES !== 0 || bytes.length > MAX_HOMES * HUB_ID_BYTES) return undefined
  return Array.from({ length: bytes.length / HUB_ID_BYTES }, (_, i) =>
    bytes.slice(i * HUB_ID_BYTES, (i + 1) * HUB_ID_BYTES),
  )
}
