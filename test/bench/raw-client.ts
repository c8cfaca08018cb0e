import { readFileSync } from 'node:fs'
import { systemClock } from '../../shared/base/clock.ts'
import { NetworkTime } from '../../shared/base/network-time.ts'
import { systemRandom } from '../../shared/base/random.ts'
import type { Purpose } from '../../shared/cell/purpose.ts'
import type { Target } from '../../shared/cell/target.ts'
import { ClientCircuit, type ClientCircuitSink } from '../../shared/circuit/client-circuit.ts'
import { NO_BINDING } from '../../shared/crypto/handshake.ts'
import { type LinkHandle, LinkNode } from '../../shared/link/link-node.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { KeyedHub } from '../../shared/map/key-bundles.ts'
import type { Network } from '../../shared/map/network.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import type { LoopbackNetwork, LoopbackReady } from '../net/loopback-network.ts'

const MAX_HELD_BYTES = 2 ** 32

/** A client without a daemon around it: circuits over any path of a loopback network, by a link of its own. */
export class RawClient {
  readonly #network: Network
  readonly #time: NetworkTime
  /** In the order in which the loopback network names them. */
  readonly #hubs: readonly KeyedHub[]
  readonly #node: LinkNode
  readonly #home: LinkHandle

  private constructor(
    network: Network,
    time: NetworkTime,
    hubs: readonly KeyedHub[],
    node: LinkNode,
    home: LinkHandle,
  ) {
    this.#network = network
    this.#time = time
    this.#hubs = hubs
    this.#node = node
    this.#home = home
  }

  /** Fetches time and map, and dials the hub with this number. */
  static async link(loopback: LoopbackNetwork, ready: LoopbackReady, home: number): Promise<RawClient> {
    const network = readNetworkFile(`${loopback.folder}/network.json`)
    const directories = new DirectoryClient(network, { clock: systemClock, random: systemRandom })
    const signal = AbortSignal.timeout(60_000)
    const time = new NetworkTime()
    const { networkMs, at } = await directories.fetchTime(directHttp, signal)
    time.set(networkMs, at)
    const fetched = await directories.fetchMap(directHttp, networkMs, undefined, signal)
    const map = fetched && (await directories.fetchKeys(directHttp, fetched, undefined, signal))
    const hubs = ready.hubs.map((hub) => {
      const found = map?.content.hubs.find(({ linkAddresses }) => linkAddresses.some(({ port }) => port === hub.port))
      const circuitKey = found && map?.keys?.of(found)
      if (found === undefined || circuitKey === undefined) throw new Error('a hub is not in the map')
      return { ...found, circuitKey }
    })
    const node = new LinkNode(
      {
        ...{ seed: systemRandom.bytes(32), networkId: network.id, listen: [], listenNoise: [] },
        ...{ maxCircuitsPerLink: 0, maxLinks: 4, maxHeldBytes: MAX_HELD_BYTES, agent: 'spn' },
      },
      { clock: systemClock, onCircuit: (_handle, end) => end.abort() },
    )
    await node.start()
    const { id, linkAddresses } = hubs[home] as KeyedHub
    return new RawClient(network, time, hubs, node, await node.dial(id, linkAddresses, signal))
  }

  /** @param path numbers of hubs, the home first */
  open(path: readonly number[], target: Purpose, sink: ClientCircuitSink, targetAfterAnswer = false): ClientCircuit {
    const now = systemClock.now()
    return new ClientCircuit(
      {
        networkId: this.#network.id,
        path: path.map((number) => {
          const { id, circuitKey } = this.#hubs[number] as KeyedHub
          return { hubId: id, key: circuitKey }
        }),
        clientKey: this.#home.ownKey,
        linkBinding: this.#home.binding ?? NO_BINDING,
        granule: this.#time.granuleAt(now),
        target,
        targetAfterAnswer,
      },
      this.#home.link.openCircuit(),
      sink,
      now,
    )
  }

  close(): Promise<void> {
    return this.#node.close()
  }
}

/** A port on this machine. */
export function localTarget(port: number): Target {
  return { kind: 'ip', address: Uint8Array.of(127, 0, 0, 1), port }
}

/** Bytes that a process keeps for itself in memory, MiB. */
export function privateMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const kib = [...text.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm)].reduce((sum, [, n]) => sum + Number(n), 0)
  return kib / 1024
}
