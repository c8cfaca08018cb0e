import { systemAfter } from '../../shared/base/after.ts'
import { systemClock } from '../../shared/base/clock.ts'
import type { After } from '../../shared/base/first-way.ts'
import { type LinkStream, openLinkStream, serveLinkStreams } from '../../shared/link/link-stream.ts'
import { MapMirror } from '../../shared/map/map-mirror.ts'
import { MIRROR_PROTOCOL } from '../../shared/map/mirror-message.ts'
import type { Network } from '../../shared/map/network.ts'
import type { HubMap } from '../../shared/map/signed-map.ts'
import { MAX_UNREAD_BYTES, Mirror } from '../../shared/mirror/mirror.ts'
import { MirrorServer, type MirrorServerParts } from '../../shared/mirror/mirror-server.ts'
import { MirrorSource } from '../../shared/mirror/mirror-source.ts'
import { type TestNode, TestNodes } from './link-nodes.ts'
import { NOW_MS } from './map-fixtures.ts'
import { seededRandom } from './seeded-random.ts'

/** Waits of hubs pass so many times as fast. */
const HURRY = 4
const hurriedAfter: After = (ms, call) => systemAfter(ms / HURRY, call)

const PLENTY = 1024 * 1024 * 1024

/** Hubs on loopback that mirror maps, as they should or not, and somebody who asks them. */
export class MirrorScene {
  readonly network: Network
  readonly #nodes = new TestNodes()
  readonly #over = new AbortController()
  #asker: Promise<TestNode> | undefined

  constructor(network: Network) {
    this.network = network
  }

  /** A hub that has these maps, taken one after the other, and does as the SPEC says. */
  async honest(
    maps: readonly HubMap[],
    changes: Partial<MirrorServerParts> = {},
    bytesPerS = PLENTY,
  ): Promise<{ readonly mirror: Mirror; readonly server: MirrorServer; readonly node: TestNode }> {
    const documents = new MapMirror(this.network.id)
    for (const map of maps) documents.take(map)
    const server = new MirrorServer(bytesPerS, {
      ...{ documents, clock: systemClock, networkMs: () => NOW_MS, askTime: () => undefined, after: hurriedAfter },
      ...changes,
    })
    const node = await this.#nodes.start()
    await serveLinkStreams(node.node.libp2p, server.service)
    return { mirror: await this.asked(node), server, node }
  }

  /** A hub that does with each stream what the test says. */
  async evil(onStream: (stream: LinkStream) => void): Promise<Mirror> {
    const node = await this.#nodes.start()
    const service = { protocol: MIRROR_PROTOCOL, maxStreams: 32, maxUnreadBytes: 1_000_000 }
    await serveLinkStreams(node.node.libp2p, { ...service, onStream })
    return this.asked(node)
  }

  /** This hub, asked over a link. */
  async asked(hub: TestNode): Promise<Mirror> {
    const { node } = await this.asker()
    await node.dial(hub.id, [hub.address], AbortSignal.timeout(10_000))
    return new Mirror((signal) => this.stream(hub, signal), this.#over.signal)
  }

  async stream(hub: TestNode, signal = AbortSignal.timeout(10_000)): Promise<LinkStream> {
    const { node } = await this.asker()
    return openLinkStream(node.libp2p, hub.id, MIRROR_PROTOCOL, MAX_UNREAD_BYTES, signal)
  }

  asker(): Promise<TestNode> {
    this.#asker ??= this.#nodes.start({ listen: [] })
    return this.#asker
  }

  source(mirrors: readonly Mirror[], after = systemAfter): MirrorSource {
    const random = seededRandom('mirror scene')
    return new MirrorSource(mirrors, { network: this.network, clock: systemClock, random, after })
  }

  async close(): Promise<void> {
    this.#over.abort()
    await this.#nodes.close()
  }
}
