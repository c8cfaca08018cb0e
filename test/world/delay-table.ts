import { parseRange } from '../../shared/base/ip-address.ts'

const IPV6_FLAG = 0x10000

/**
 * The delay of a packet by its addresses. A host is recognised by the two bytes of its addresses that no other host
 * has: N of 198.18.N.0/24 with the byte before it, and N of 2001:db8:N::/48.
 */
export class DelayTable {
  readonly #hostOf = new Int16Array(2 * IPV6_FLAG).fill(-1)
  readonly #delaysMs: readonly (readonly number[])[]

  /** `ranges[i]` are those of host i; `delaysMs[i][j]` is the one-way delay from i to j. */
  constructor(ranges: readonly (readonly string[])[], delaysMs: readonly (readonly number[])[]) {
    this.#delaysMs = delaysMs
    for (const [host, texts] of ranges.entries()) {
      for (const text of texts) {
        const address = parseRange(text)?.address
        if (address === undefined) throw new Error(`${text} is not a range of addresses`)
        this.#hostOf[address.length === 4 ? keyOf4(address, 0) : keyOf6(address, 0)] = host
      }
    }
  }

  /** `packet` starts with its IP header. 0 for packets that are not between two hosts. */
  delayOf(packet: Uint8Array): number {
    const version = (packet[0] ?? 0) >> 4
    if (version === 4) return this.#between(keyOf4(packet, 12), keyOf4(packet, 16))
    if (version === 6) return this.#between(keyOf6(packet, 8), keyOf6(packet, 24))
    return 0
  }

  #between(source: number, destination: number): number {
    return this.#delaysMs[this.#hostOf[source] ?? -1]?.[this.#hostOf[destination] ?? -1] ?? 0
  }
}

function keyOf4(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
}

function keyOf6(bytes: Uint8Array, at: number): number {
  return IPV6_FLAG | ((bytes[at + 4] ?? 0) << 8) | (bytes[at + 5] ?? 0)
}
