import { systemAfter } from '../shared/base/after.ts'
import { toHex } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { Fault } from '../shared/base/fault.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import { type Random, shuffle } from '../shared/base/random.ts'
import { clientNode } from '../shared/link/client-node.ts'
import { openLinkStream } from '../shared/link/link-stream.ts'
import type { DirectoryClient } from '../shared/map/directory-client.ts'
import type { HttpSend } from '../shared/map/http-send.ts'
import { addressesFor, type LinkTransport } from '../shared/map/link-address.ts'
import type { MapReader } from '../shared/map/map-download.ts'
import type { UseMirrors } from '../shared/map/map-keeper.ts'
import { MIRROR_PROTOCOL } from '../shared/map/mirror-message.ts'
import type { BootstrapHub, Network } from '../shared/map/network.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import { findMirrors } from '../shared/mirror/find-mirrors.ts'
import { MAX_UNREAD_BYTES, Mirror } from '../shared/mirror/mirror.ts'
import { MirrorSource } from '../shared/mirror/mirror-source.ts'
import { MAX_HELD_BYTES } from './home-dialer.ts'
import type { HomeLink } from './home-link.ts'

/** Hubs of a map that is over, of which so many are dialled before those of the network file. */
const MAX_OLD_HUBS = 6
const MIRROR_DIAL_TIMEOUT_MS = 8_000

export interface MapWaysParts {
  readonly network: Network
  readonly transport: LinkTransport
  readonly clock: MonotonicClock
  readonly time: NetworkTime
  readonly random: Random
  readonly homeLink: HomeLink
  /** Hub ids of the homes that are kept, the preferred one first. */
  readonly homes: () => readonly Uint8Array[]
  readonly directories: DirectoryClient
  readonly directHttp: HttpSend
  readonly throughCircuits: HttpSend
}

/**
 * The ways to a newer map, by what this client has (SPEC section 11.6):
 *
 *     a valid map and a home link   directories through circuits; else the home hub, over its link
 *     a valid map                   none: the home link comes first
 *     nothing valid                 directories directly; else hubs: homes and hubs of the map that is over, then those
 *                                   of the network file. Of a map that is over nothing is believed but where hubs may be
 */
export class MapWays {
  readonly #parts: MapWaysParts

  constructor(parts: MapWaysParts) {
    this.#parts = parts
  }

  /** To the directories. It tells the observer no more than that this computer joins the network. */
  toDirectories(held: HubMap | undefined): HttpSend | undefined {
    const { homeLink, directHttp, throughCircuits } = this.#parts
    if (!this.#isUsable(held)) return directHttp
    return homeLink.home === undefined ? undefined : throughCircuits
  }

  /** To hubs that mirror the map. */
  readonly useMirrors: UseMirrors = async (held, use, signal) => {
    const { homeLink, network, clock, random } = this.#parts
    const parts = { network, clock, random, after: systemAfter }
    const done = new AbortController()
    const both = AbortSignal.any([signal, done.signal])
    try {
      if (this.#isUsable(held)) {
        if (homeLink.home === undefined) throw new Fault('directory-unreachable', { way: 'none yet' })
        return await use(new MirrorSource([this.#homeMirror(both)], parts))
      }
      const dials = this.#candidates(held).map((hub) => () => this.#dial(hub, both))
      return await use(new MirrorSource(await findMirrors(dials, parts, both), parts))
    } finally {
      done.abort()
    }
  }

  /** Who is asked what he has, to see whether there are two maps of one epoch: all directories, and the home hub. */
  readers(signal: AbortSignal): MapReader[] {
    const { homeLink, directories, throughCircuits } = this.#parts
    if (homeLink.home === undefined) return []
    return [this.#homeMirror(signal), ...directories.readers(throughCircuits, signal)]
  }

  #isUsable(held: HubMap | undefined): boolean {
    const { clock, time } = this.#parts
    return held !== undefined && time.known && held.isValidAt(time.at(clock.now()))
  }

  #homeMirror(signal: AbortSignal): Mirror {
    return new Mirror((stop) => this.#parts.homeLink.openStream(MIRROR_PROTOCOL, MAX_UNREAD_BYTES, stop), signal)
  }

  /** Homes know this computer already. The others are drawn anew each time. */
  #candidates(held: HubMap | undefined): readonly BootstrapHub[] {
    const { network, random, transport, homes } = this.#parts
    const kept = new Set(homes().map(toHex))
    const known = (held?.content.hubs ?? []).filter(({ roles }) => roles.home)
    const old = [
      ...known.filter(({ key }) => kept.has(key)),
      ...shuffle(
        known.filter(({ key }) => !kept.has(key)),
        random,
      ),
    ].slice(0, MAX_OLD_HUBS)
    const all = [...old, ...shuffle(network.hubs ?? [], random)]
    return all.filter((hub) => addressesFor(transport, hub).length > 0)
  }

  /** A link of its own, until the signal. */
  async #dial(hub: BootstrapHub, signal: AbortSignal): Promise<Mirror> {
    const { network, clock, random, transport } = this.#parts
    const node = clientNode({ networkId: network.id, transport, clock, random, maxHeldBytes: MAX_HELD_BYTES })
    await node.start()
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(MIRROR_DIAL_TIMEOUT_MS)])
      await node.dial(hub.id, addressesFor(transport, hub), limit, transport)
      signal.throwIfAborted()
    } catch (error) {
      await node.close()
      throw error
    }
    signal.addEventListener('abort', () => void node.close(), { once: true })
    return new Mirror((stop) => openLinkStream(node.libp2p, hub.id, MIRROR_PROTOCOL, MAX_UNREAD_BYTES, stop), signal)
  }
}
