import { toHex } from '../shared/base/bytes.ts'
import type { Locator } from '../shared/geo/locator.ts'
import type { Descriptor } from '../shared/map/descriptor.ts'
import type { Network } from '../shared/map/network.ts'
import type { HubJudge } from './admission/hub-lists.ts'
import type { Terms, Vote } from './consensus/vote.ts'
import { type Assessor, type ReachedHub, type ViewParts, votedHubs } from './map-builder.ts'
import type { DirectoryOptions } from './options.ts'
import { reachedOf, youngestOf } from './reached-addresses.ts'
import type { Store, StoredProbe } from './store.ts'
import { VerifiedDescriptors } from './verified-descriptors.ts'

export interface Measurer extends Assessor {
  /** Reads what was measured before, unless that was done. */
  load(): Promise<void>
}

export interface OwnViewParts {
  readonly network: Network
  readonly store: Store
  readonly locator: Locator
  /** By the lists that are in force. */
  readonly judge: () => HubJudge
  readonly assessor: Measurer
  /** Seconds of network time. */
  readonly now: () => number
}

/** What this directory alone thinks of the hubs, and of the next map. */
export class OwnView {
  readonly #options: DirectoryOptions
  readonly #parts: OwnViewParts
  readonly #verified: VerifiedDescriptors

  constructor(options: DirectoryOptions, parts: OwnViewParts) {
    this.#options = options
    this.#parts = parts
    this.#verified = new VerifiedDescriptors(parts.network.id)
  }

  /** Undefined as long as there is neither a hub nor a map. */
  async vote(): Promise<Vote | undefined> {
    // Or all hubs would weigh as little as new ones.
    await this.#parts.assessor.load()
    const latest = this.#parts.store.latestMap()
    const hubs = votedHubs(await this.reached(), this.parts())
    if (hubs.length === 0 && latest === undefined) return undefined
    const previous = { epoch: latest?.epoch ?? 0, hash: latest?.hash ?? new Uint8Array(32) }
    return { terms: this.#terms(), previous, hubs }
  }

  /** All descriptors that are held and have not expired. */
  async held(): Promise<Descriptor[]> {
    const { store, now } = this.#parts
    return this.#verified.read(await store.descriptors(now()))
  }

  /** All hubs whose descriptor is held, with those of their addresses that were reached. */
  async reached(): Promise<ReachedHub[]> {
    const probes = new Map<string, StoredProbe[]>()
    for (const probe of await this.#parts.store.probes()) {
      const id = toHex(probe.hubId)
      probes.set(id, [...(probes.get(id) ?? []), probe])
    }
    return (await this.held()).map((descriptor) => {
      const found = probes.get(toHex(descriptor.hubId)) ?? []
      return {
        descriptor,
        linkAddresses: reachedOf(descriptor.linkAddresses, found),
        noiseAddresses: reachedOf(descriptor.noiseAddresses, found),
        provenSince: youngestOf([...descriptor.linkAddresses, ...descriptor.noiseAddresses], found),
      }
    })
  }

  /** By what it looks at hubs. */
  parts(): ViewParts {
    const { network, locator, judge, assessor } = this.#parts
    const { minimumVersion } = this.#options
    return { networkId: network.id, locator, judge: judge(), assessor, minimumVersion }
  }

  #terms(): Terms {
    const { epochSeconds, mapLifeEpochs: lifeEpochs, limits, addressScope } = this.#options
    return { epochSeconds, lifeEpochs, limits, parameters: { addressScope } }
  }
}
