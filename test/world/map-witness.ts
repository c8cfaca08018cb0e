import { equalBytes, toHex } from '../../shared/base/bytes.ts'
import { asFault, isFault } from '../../shared/base/fault.ts'
import { encodeCanonical, type Value } from '../../shared/map/canonical.ts'
import { hubValue, type MapHub } from '../../shared/map/hub-map.ts'
import { hashKeyBundles, type KeyedHub, makeKeyBundles } from '../../shared/map/key-bundles.ts'
import { MAX_CLASS, MAX_LOAD_CLASS, type Measured, UNMEASURED } from '../../shared/map/measured.ts'
import type { Network } from '../../shared/map/network.ts'
import { readSignedFrame } from '../../shared/map/signed-frame.ts'
import { type HubMap, MAX_MAP_BYTES, UnverifiedMap } from '../../shared/map/signed-map.ts'

/** Remembers every map that anybody showed or used, and says what is wrong with them. */
export class MapWitness {
  readonly #network: Network
  readonly #refused: string[] = []
  /** By epoch and hash. */
  readonly #maps = new Map<number, Map<string, HubMap>>()

  constructor(network: Network) {
    this.#network = network
  }

  /** A directory shows this now. What is over is shown, too, as long as there is nothing newer. Undefined for no valid map. */
  shown(signed: Uint8Array, by: string): HubMap | undefined {
    return this.#take(by, () => {
      try {
        return new UnverifiedMap(signed).verify(this.#network, Date.now())
      } catch (error) {
        if (!isFault(error) || error.code !== 'map-expired') throw error
        const lateMs = (Number(error.details.seconds) + 1) * 1000
        return new UnverifiedMap(signed).verify(this.#network, Date.now() - lateMs)
      }
    })
  }

  /** Somebody begins to use this map now. */
  used(signed: Uint8Array, by: string): HubMap | undefined {
    return this.#take(by, () => new UnverifiedMap(signed).verify(this.#network, Date.now()))
  }

  /** Epochs of which a valid map was seen, in their order. */
  get epochs(): readonly number[] {
    return [...this.#maps.keys()].sort((a, b) => a - b)
  }

  /**
   * All that is wrong: what was no valid map, epochs with two, maps that name another one before them than there was,
   * and from an epoch on all that is not true of the hubs.
   * @param truth all hubs as they are, in the order of their ids
   * @param mayLack whether a map of this epoch may be without this hub
   */
  mistakes(
    truth: readonly KeyedHub[],
    since: number,
    mayLack: (epoch: number, hub: KeyedHub) => boolean = () => false,
  ): string[] {
    const { epochs } = this
    const several = epochs
      .filter((epoch) => this.#of(epoch).length > 1)
      .map((epoch) => `${this.#of(epoch).length} valid maps of ${epoch}`)
    const unlinked = epochs.slice(1).flatMap((epoch, i) => {
      const before = this.#of(epochs[i] as number)
      const linked = (map: HubMap): boolean => before.some(({ hash }) => equalBytes(hash, map.content.previousHash))
      return this.#of(epoch).every(linked) ? [] : [`the map of ${epoch} does not name that of ${epochs[i]}`]
    })
    const untrue = epochs
      .filter((epoch) => epoch >= since)
      .flatMap((epoch) => {
        const needed = truth.filter((hub) => !mayLack(epoch, hub))
        return this.#of(epoch).flatMap((map) => untruths(map, truth, needed).map((what) => `${epoch}: ${what}`))
      })
    return [...this.#refused, ...several, ...unlinked, ...untrue]
  }

  #of(epoch: number): readonly HubMap[] {
    return [...(this.#maps.get(epoch)?.values() ?? [])]
  }

  #take(by: string, verify: () => HubMap): HubMap | undefined {
    try {
      const map = verify()
      const signers = signersOf(map.bytes, this.#network)
      if (signers < this.#network.threshold) this.#refused.push(`${by} takes a map that ${signers} signed`)
      const { epoch } = map.content
      this.#maps.set(epoch, (this.#maps.get(epoch) ?? new Map<string, HubMap>()).set(toHex(map.hash), map))
      return map
    } catch (error) {
      const { code, details } = asFault(error)
      this.#refused.push(`${by} has no valid map: ${code} ${JSON.stringify(details)}`)
      return undefined
    }
  }
}

/** Counted here too: `verify` is what is tested. */
function signersOf(signed: Uint8Array, { directories, id }: Network): number {
  const { content, signatures } = readSignedFrame('SPNM', signed, MAX_MAP_BYTES)
  return directories.filter(({ key }) =>
    signatures.some(
      ({ directoryKey, signature }) =>
        equalBytes(directoryKey, key.bytes) && key.verify('spn/1 map', id, content, signature),
    ),
  ).length
}

function untruths(
  { content: { hubs, bundleHashes } }: HubMap,
  truth: readonly KeyedHub[],
  needed: readonly KeyedHub[],
): string[] {
  const nameOf = (key: string): string => truth.find((hub) => hub.key === key)?.operator ?? `the hub ${key}`
  const missing = needed.filter(({ key }) => !hubs.some((hub) => hub.key === key)).map(({ key }) => `no ${nameOf(key)}`)
  const wrong = hubs.flatMap((hub) => {
    const real = truth.find(({ key }) => key === hub.key)
    if (real === undefined) return [`${nameOf(hub.key)} is not so`]
    const { measured } = hub
    const likely = isLikely(measured) ? [] : [`${nameOf(hub.key)} is measured ${JSON.stringify(measured)}`]
    return [
      ...differences({ ...hub, measured: UNMEASURED }, real).map((what) => `${what} of ${nameOf(hub.key)} is not so`),
      ...likely,
    ]
  })
  const named = truth.filter(({ key }) => hubs.some((hub) => hub.key === key))
  const keys = equalBytes(bundleHashes, hashKeyBundles(makeKeyBundles(named))) ? [] : ['other circuit keys']
  return [...missing, ...wrong, ...keys]
}

/** Probes of minutes bring no class to its end, and no hub of these gives a reason for doubts. */
function isLikely({ uptimeClass, mtbfClass, loadClass, delayClass, doubts }: Measured): boolean {
  const classes = [uptimeClass, mtbfClass, delayClass]
  return (
    classes.every((one) => one < MAX_CLASS) && loadClass < MAX_LOAD_CLASS && Object.values(doubts).every((one) => !one)
  )
}

/** Fields of a hub in a map, as SPEC section 11.3 has them. */
const FIELDS = [
  ...[
    'id',
    'link addresses',
    'roles',
    'exit policy',
    'operator',
    'family',
    'version',
    'capacity',
    'measured',
    'location',
  ],
  ...['flags', 'noise addresses'],
]

/** Names of the fields that say something else. */
function differences(hub: MapHub, real: MapHub): string[] {
  const [said, true_] = [hubValue(hub), hubValue(real)] as [Value[], Value[]]
  return FIELDS.filter((_, i) => !equalBytes(encodeCanonical([said[i] ?? []]), encodeCanonical([true_[i] ?? []])))
}
