import { systemClock } from '../../shared/base/clock.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { LinkNode } from '../../shared/link/link-node.ts'
import { type Descriptor, signDescriptor } from '../../shared/map/descriptor.ts'
import { freePort } from '../net/free-port.ts'
import { descriptorOf } from './map-fixtures.ts'

const HERE = Uint8Array.of(127, 0, 0, 1)

/** A hub that a directory can reach, and nothing more. */
export class RealHub {
  readonly key: HubKey
  readonly #networkId: Uint8Array
  readonly #port: number
  readonly #node: LinkNode | undefined

  private constructor(networkId: Uint8Array, port: number, answers: boolean) {
    this.key = HubKey.generate()
    this.#networkId = networkId
    this.#port = port
    this.#node = answers
      ? new LinkNode(
          {
            ...{ seed: this.key.toSeed(), networkId, listen: [{ ip: HERE, port }], listenNoise: [] },
            ...{ maxCircuitsPerLink: 1, maxLinks: 100, maxHeldBytes: 1024 * 1024, agent: 'spn' },
          },
          { clock: systemClock, onCircuit: (_, end) => end.abort() },
        )
      : undefined
  }

  static async start(networkId: Uint8Array): Promise<RealHub> {
    const hub = new RealHub(networkId, await freePort('127.0.0.1'), true)
    await hub.#node?.start()
    return hub
  }

  /** Nobody answers for it. */
  static async silent(networkId: Uint8Array): Promise<RealHub> {
    return new RealHub(networkId, await freePort('127.0.0.1'), false)
  }

  signed(sequence: number, changes: Partial<Descriptor> = {}): Uint8Array {
    const now = Math.floor(Date.now() / 1000)
    const linkAddresses = [{ ip: HERE, port: this.#port }]
    const fields = { sequence, published: now, expires: now + 10_800, linkAddresses, ...changes }
    return signDescriptor(descriptorOf(this.key, fields), this.key, this.#networkId)
  }

  async close(): Promise<void> {
    await this.#node?.close()
  }
}
