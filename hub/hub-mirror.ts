import { systemAfter } from '../shared/base/after.ts'
import { equalBytes, toHex } from '../shared/base/bytes.ts'
import type { MonotonicClock } from '../shared/base/clock.ts'
import { Fault } from '../shared/base/fault.ts'
import type { Log } from '../shared/base/log.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import { type Random, shuffle } from '../shared/base/random.ts'
import type { LinkNode } from '../shared/link/link-node.ts'
import { openLinkStream, serveLinkStreams } from '../shared/link/link-stream.ts'
import { askTime, type DirectoryClient } from '../shared/map/directory-client.ts'
import { HeadWatch } from '../shared/map/head-watch.ts'
import type { HttpSend } from '../shared/map/http-send.ts'
import type { MapContradiction } from '../shared/map/map-contradiction.ts'
import type { UseMirrors } from '../shared/map/map-keeper.ts'
import { MapMirror } from '../shared/map/map-mirror.ts'
import { MIRROR_PROTOCOL } from '../shared/map/mirror-message.ts'
import type { Network } from '../shared/map/network.ts'
import type { HubMap } from '../shared/map/signed-map.ts'
import { type SignedTime, verifyTime } from '../shared/map/signed-time.ts'
import { MIRRORS_AT_ONCE } from '../shared/mirror/find-mirrors.ts'
import { MAX_UNREAD_BYTES, Mirror } from '../shared/mirror/mirror.ts'
import { MirrorServer } from '../shared/mirror/mirror-server.ts'
import { MirrorSource } from '../shared/mirror/mirror-source.ts'

/** A directory that is asked for the time in the name of somebody else gets so long. */
const TIME_PASSED_ON_MS = 3_000

export interface HubMirrorParts {
  readonly network: Network
  readonly clock: MonotonicClock
  readonly time: NetworkTime
  readonly random: Random
  readonly log: Log
  readonly http: HttpSend
  readonly directories: DirectoryClient
  readonly node: LinkNode
  /** Is this a hub of the map? Others know no maps. */
  readonly isHub: (id: Uint8Array) => boolean
  readonly proofFile: string
}

/** What a hub has to do with maps of others: it hands out its own, asks neighbours where directories fail, and compares. */
export class HubMirror {
  readonly #parts: HubMirrorParts
  readonly #documents: MapMirror
  readonly #server: MirrorServer
  readonly #heads: HeadWatch

  constructor({ bytesPerS }: { readonly bytesPerS: number }, parts: HubMirrorParts) {
    const { network, clock, time, proofFile, log } = parts
    this.#parts = parts
    this.#documents = new MapMirror(network.id)
    this.#server = new MirrorServer(bytesPerS, {
      documents: this.#documents,
      clock,
      networkMs: () => (time.known ? time.at(clock.now()) : undefined),
      askTime: (directory, nonce) => this.#passTimeOn(directory, nonce),
      after: systemAfter,
    })
    this.#heads = new HeadWatch({ network, proofFile, log })
  }

  /** To be called once the link node has started. */
  start(): Promise<void> {
    return serveLinkStreams(this.#parts.node.libp2p, this.#server.service)
  }

  take(map: HubMap): void {
    this.#documents.take(map)
  }

  get servedBytes(): number {
    return this.#server.servedBytes
  }

  get contradiction(): MapContradiction | undefined {
    return this.#heads.contradiction
  }

  /** Neighbours, on the links that are there. */
  readonly useMirrors: UseMirrors = async (_held, use, signal) => {
    const { network, clock, random } = this.#parts
    const done = new AbortController()
    try {
      const mirrors = this.#neighbours(AbortSignal.any([signal, done.signal]))
      if (mirrors.length === 0) throw new Fault('directory-unreachable', { mirrors: 0 })
      return await use(new MirrorSource(mirrors, { network, clock, random, after: systemAfter }))
    } finally {
      done.abort()
    }
  }

  /** Asks all directories and some neighbours which map they have. */
  async compare(held: readonly HubMap[], signal: AbortSignal): Promise<void> {
    const { directories, http } = this.#parts
    const done = new AbortController()
    const both = AbortSignal.any([signal, done.signal])
    try {
      await this.#heads.compare([...this.#neighbours(both), ...directories.readers(http, both)], held)
    } finally {
      done.abort()
    }
  }

  #neighbours(signal: AbortSignal): Mirror[] {
    const { node, isHub, random } = this.#parts
    const ids = new Map([...node.links].map(({ peerKey }) => [toHex(peerKey), peerKey]))
    const hubs = shuffle([...ids.values()].filter(isHub), random).slice(0, MIRRORS_AT_ONCE)
    return hubs.map(
      (id) => new Mirror((stop) => openLinkStream(node.libp2p, id, MIRROR_PROTOCOL, MAX_UNREAD_BYTES, stop), signal),
    )
  }

  #passTimeOn(directory: Uint8Array, nonce: Uint8Array): Promise<SignedTime> | undefined {
    const { network, http } = this.#parts
    const known = network.directories.find(({ key }) => equalBytes(key.bytes, directory))
    if (known === undefined) return undefined
    return askTime(known, nonce, http, AbortSignal.timeout(TIME_PASSED_ON_MS)).then((signed) => {
      if (!verifyTime(signed, nonce, known.key, network.id)) throw new Fault('signature-invalid')
      return signed
    })
  }
}
