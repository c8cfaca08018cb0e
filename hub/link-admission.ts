import { ownerOf } from '../shared/base/ip-address.ts'

/**
 * How many connections each address has open here: one address must not take all places of a hub. Hubs of the map do
 * not count. Asked before any TLS work.
 */
export class LinkAdmission {
  readonly #perAddress: number
  readonly #isHubAddress: (address: string) => boolean
  readonly #open = new Map<string, number>()

  /** @param perAddress connections of one IPv4 address, or of one /64 of IPv6, in which one owner has all addresses */
  constructor(perAddress: number, isHubAddress: (address: string) => boolean) {
    this.#perAddress = perAddress
    this.#isHubAddress = isHubAddress
  }

  /** May this address open one more? If so it counts until `leave`. */
  enter(address: string): boolean {
    const owner = ownerOf(address)
    const open = this.#open.get(owner) ?? 0
    if (open >= this.#perAddress && !this.#isHubAddress(address)) return false
    this.#open.set(owner, open + 1)
    return true
  }

  /** A connection that was admitted is over. */
  leave(address: string): void {
    const owner = ownerOf(address)
    const open = (this.#open.get(owner) ?? 0) - 1
    if (open > 0) this.#open.set(owner, open)
    else this.#open.delete(owner)
  }
}
