import { equalBytes, toHex } from '../shared/base/bytes.ts'
import { othersTurn } from '../shared/base/others-turn.ts'
import { type Descriptor, verifyDescriptor } from '../shared/map/descriptor.ts'
import type { StoredDescriptor } from './store.ts'

/** So many signatures are checked before others have their turn: ten thousand at once would hold up answers for seconds. */
const CHECKED_AT_ONCE = 100

/** Reads the descriptors that are held. Each is checked once: of an hour in which a hub says nothing new, all looks but one are free. */
export class VerifiedDescriptors {
  readonly #networkId: Uint8Array
  #known: ReadonlyMap<string, { readonly signed: Uint8Array; readonly descriptor: Descriptor }> = new Map()

  constructor(networkId: Uint8Array) {
    this.#networkId = networkId
  }

  /** Of all that are held, in their order. What is not among them is forgotten. @throws as `verifyDescriptor` */
  async read(held: readonly StoredDescriptor[]): Promise<Descriptor[]> {
    const known = new Map<string, { readonly signed: Uint8Array; readonly descriptor: Descriptor }>()
    let checked = 0
    for (const { hubId, signed } of held) {
      const key = toHex(hubId)
      const before = this.#known.get(key)
      const isSame = before !== undefined && equalBytes(before.signed, signed)
      known.set(key, isSame ? before : { signed, descriptor: verifyDescriptor(signed, this.#networkId) })
      if (!isSame && ++checked % CHECKED_AT_ONCE === 0) await othersTurn()
    }
    this.#known = known
    return [...known.values()].map(({ descriptor }) => descriptor)
  }
}
