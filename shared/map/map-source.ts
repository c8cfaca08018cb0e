import type { HubMap } from './signed-map.ts'

/** What time it was in the network, Unix ms, when our monotonic clock said `at`. */
export interface KnownTime {
  readonly networkMs: number
  readonly at: number
}

/** Where time, maps and keys come from: directories, by some way, or hubs that mirror them. Believes nothing that is not signed. */
export interface MapSource {
  /** @throws Fault directory-unreachable */
  fetchTime(signal: AbortSignal): Promise<KnownTime>
  /**
   * The newest map, checked; undefined if it is the one already held.
   * @throws Fault directory-unreachable, and those of `UnverifiedMap.verify`
   */
  fetchMap(networkMs: number, held: HubMap | undefined, signal: AbortSignal): Promise<HubMap | undefined>
  /**
   * The map with its circuit keys, of which those are asked for that are others than in the map held.
   * @throws Fault directory-unreachable, keys-damaged
   */
  fetchKeys(map: HubMap, held: HubMap | undefined, signal: AbortSignal): Promise<HubMap>
}
