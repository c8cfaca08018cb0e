import { systemClock } from '../../shared/base/clock.ts'
import type { Fault } from '../../shared/base/fault.ts'
import type { CellClass } from '../../shared/cell/cell.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { type LinkHandle, LinkNode, type LinkNodeOptions, type LinkNodeParts } from '../../shared/link/link-node.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import { seededRandom } from './seeded-random.ts'

export const LOOPBACK = Uint8Array.of(127, 0, 0, 1)
export const NODE_NETWORK_ID = new Uint8Array(32).fill(3)

/** A link node on loopback, and what it was told. */
export interface TestNode {
  readonly node: LinkNode
  readonly links: LinkHandle[]
  readonly closed: { handle: LinkHandle; fault: Fault }[]
  readonly circuits: { handle: LinkHandle; end: CircuitEnd; cellClass: CellClass; body: Uint8Array }[]
  /** Its public key; for a hub its id. */
  readonly id: Uint8Array
  /** Where it listens for links. */
  readonly address: LinkAddress
  /** Where it listens for standard libp2p programs. */
  readonly noiseAddress: LinkAddress
}

/** Nodes of one test, which all end with it. */
export class TestNodes {
  readonly #nodes: LinkNode[] = []
  #count = 0

  async start(options: Partial<LinkNodeOptions> = {}, parts: Partial<LinkNodeParts> = {}): Promise<TestNode> {
    const links: TestNode['links'] = []
    const closed: TestNode['closed'] = []
    const circuits: TestNode['circuits'] = []
    const node = new LinkNode(
      {
        seed: seededRandom(`node ${this.#count++}`).bytes(32),
        networkId: NODE_NETWORK_ID,
        listen: [{ ip: LOOPBACK, port: 0 }],
        ...{ listenNoise: [], maxCircuitsPerLink: 100, maxLinks: 100, maxHeldBytes: 256 * 1024 * 1024, agent: 'test' },
        ...options,
      },
      {
        clock: systemClock,
        onLink: (handle) => void links.push(handle),
        onLinkClosed: (handle, fault) => void closed.push({ handle, fault }),
        onCircuit: (handle, end, cellClass, body) => {
          circuits.push({ handle, end, cellClass, body: body.slice() })
        },
        ...parts,
      },
    )
    await node.start()
    this.#nodes.push(node)
    const id = node.libp2p.peerId.publicKey?.raw
    if (id === undefined) throw new Error('a node has a public key')
    return { node, links, closed, circuits, id, address: portOf(node, true), noiseAddress: portOf(node, false) }
  }

  async close(): Promise<void> {
    await Promise.all(this.#nodes.splice(0).map((node) => node.close()))
  }
}

/** The loopback address with the port that the system chose; port 0 if the node does not listen there. */
function portOf(node: LinkNode, tls: boolean): LinkAddress {
  for (const address of node.libp2p.getMultiaddrs()) {
    const parts = address.getComponents()
    const port = parts.find(({ name }) => name === 'tcp')?.value
    if (port !== undefined && parts.some(({ name }) => name === 'tls') === tls)
      return { ip: LOOPBACK, port: Number(port) }
  }
  return { ip: LOOPBACK, port: 0 }
}
