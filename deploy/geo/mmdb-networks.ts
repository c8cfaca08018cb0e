import { Reader, type Response } from 'maxmind'
import { Fault } from '../../shared/base/fault.ts'
import { formatIp, type IpFamily } from '../../shared/base/ip-address.ts'
import { BLOCK_PREFIX } from '../../shared/geo/block-runs.ts'

const NODE_BYTES = 7

/**
 * All networks of a MaxMind database file of one address family.
 *
 * The file begins with a binary tree over the bits of an address (MaxMind DB format 2.0, records of 28 bits):
 *
 *     node:  left, low 24 bits | left, high 4 bits | right, high 4 bits | right, low 24 bits
 *
 * A record below the number of nodes is a node, the same number means that nothing is known, and more is a pointer to
 * data. Networks share data, so reading each pointer once saves nearly all the work.
 */
export class MmdbNetworks {
  readonly #file: Buffer
  readonly #reader: Reader<Response>
  readonly #family: IpFamily

  /** @throws Fault state-corrupt if the file is not a database of this family */
  constructor(file: Buffer, family: IpFamily) {
    this.#file = file
    this.#family = family
    try {
      this.#reader = new Reader(file)
    } catch (cause) {
      throw new Fault('state-corrupt', { reason: 'it is not a MaxMind database' }, cause)
    }
    const { ipVersion, nodeByteSize } = this.#reader.metadata
    if (ipVersion !== family || nodeByteSize !== NODE_BYTES) {
      throw new Fault('state-corrupt', { reason: `expected a database of IPv${family} with records of 28 bits` })
    }
  }

  /**
   * Visits every known network in ascending order.
   * @param visit gets the pointer to its data, its start and size in blocks (of 24 or 48 bits), and its first address,
   *   which is only lent
   */
  forEach(visit: (pointer: number, start: number, size: number, address: Uint8Array) => void): void {
    const file = this.#file
    const { nodeCount } = this.#reader.metadata
    const address = new Uint8Array(this.#family === 4 ? 4 : 16)
    const walk = (record: number, depth: number, start: number, size: number): void => {
      if (record === nodeCount) return
      if (record > nodeCount) {
        visit(record, start, size, address)
        return
      }
      const at = record * NODE_BYTES
      const middle = file[at + 3] as number
      walk(((middle & 0xf0) << 20) | file.readUIntBE(at, 3), depth + 1, start, size / 2)
      const bit = 0x80 >> (depth & 7)
      address[depth >> 3] = (address[depth >> 3] as number) | bit
      walk(((middle & 0x0f) << 24) | file.readUIntBE(at + 4, 3), depth + 1, start + size / 2, size / 2)
      address[depth >> 3] = (address[depth >> 3] as number) & ~bit
    }
    walk(0, 0, 0, 2 ** BLOCK_PREFIX[this.#family])
  }

  /** The data of the network that holds this address. */
  recordAt(address: Uint8Array): unknown {
    return this.#reader.get(formatIp(address))
  }
}
