import type { StreamPurpose } from '../../shared/cell/purpose.ts'
import type { Location } from '../../shared/geo/place.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import type { Wish } from './wish.ts'

/** What is asked of a path. */
export interface PathRequest {
  readonly home: MapHub
  readonly wish: Wish
  readonly target: StreamPurpose
  /** Where the target is; undefined if not known (a name that only the exit resolves). */
  readonly location: Location | undefined
  /** Hubs (by `key`) that failed not long ago and are not to be used. */
  readonly avoid: ReadonlySet<string>
  /** Other destinations follow, of either family: an exit that serves both is better, wherever it is. */
  readonly bothFamilies?: boolean
  /** Only an exit that sends requests for an echo will do. */
  readonly echo?: boolean
  /** The exit (by `key`) of connections before, to be taken again if it still will do. */
  readonly sticky?: string | undefined
}
