import { equalBytes } from '../shared/base/bytes.ts'
import type { MapContent } from '../shared/map/hub-map.ts'
import type { Network } from '../shared/map/network.ts'
import { type HubMap, UnverifiedMap } from '../shared/map/signed-map.ts'
import { exportMap } from './map-export.ts'
import type { StoredMap } from './store.ts'

/** The newest map as it can be read, and as JSON: made once for each map, and only if somebody asks. */
export class NewestMap {
  readonly #network: Network
  readonly #epochSeconds: number
  #map: HubMap | undefined
  #json: string | undefined

  constructor(network: Network, epochSeconds: number) {
    this.#network = network
    this.#epochSeconds = epochSeconds
  }

  content(stored: StoredMap | undefined): MapContent | undefined {
    return stored && this.#read(stored).content
  }

  has(stored: StoredMap | undefined, hubId: Uint8Array): boolean {
    return stored !== undefined && this.#read(stored).hub(hubId) !== undefined
  }

  exported(stored: StoredMap): string {
    const map = this.#read(stored)
    this.#json ??= JSON.stringify(exportMap(map.content, map.hash, this.#network.id))
    return this.#json
  }

  /** As of the beginning of its epoch: it may have expired since. */
  #read(stored: StoredMap): HubMap {
    if (this.#map !== undefined && equalBytes(this.#map.hash, stored.hash)) return this.#map
    this.#json = undefined
    const beginMs = stored.epoch * this.#epochSeconds * 1000
    this.#map = new UnverifiedMap(stored.signed).verify(this.#network, beginMs)
    return this.#map
  }
}
