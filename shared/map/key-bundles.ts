import { concatBytes, equalBytes } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { CIRCUIT_PUBLIC_KEY_BYTES, CircuitPublicKey } from '../crypto/circuit-key.ts'
import { sha256 } from '../crypto/kdf.ts'
import { HASH_BYTES, KEY_BUNDLES, type MapHub } from './hub-map.ts'

/** A hub with its circuit key. */
export interface KeyedHub extends MapHub {
  readonly circuitKey: CircuitPublicKey
}

/** The bundle of a hub: of the first byte of its id the lower bits. */
export function bundleOf(hubId: Uint8Array): number {
  return (hubId[0] as number) % KEY_BUNDLES
}

/** Circuit keys of these hubs, one after the other, in the order of the hubs; a bundle for each number. */
export function makeKeyBundles(hubs: readonly KeyedHub[]): Uint8Array[] {
  return bundleKeys(
    hubs,
    hubs.map(({ circuitKey }) => circuitKey.bytes),
  )
}

/** The same with the bytes of the keys beside the hubs. */
export function bundleKeys(hubs: readonly MapHub[], keys: readonly Uint8Array[]): Uint8Array[] {
  const parts: Uint8Array[][] = Array.from({ length: KEY_BUNDLES }, () => [])
  for (const [i, { id }] of hubs.entries()) parts[bundleOf(id)]?.push(keys[i] as Uint8Array)
  return parts.map((bundle) => concatBytes(...bundle))
}

/** What a map says of its bundles: SHA-256 of each, one after the other. */
export function hashKeyBundles(bundles: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...bundles.map((bundle) => sha256(bundle)))
}

/** The hash of bundle `n` in what `hashKeyBundles` made. A view. */
export function bundleHash(hashes: Uint8Array, n: number): Uint8Array {
  return hashes.subarray(n * HASH_BYTES, (n + 1) * HASH_BYTES)
}

/** The keys of these hubs in their order: what `bundleKeys` took. Views, empty or shorter where a bundle is too short. */
export function unbundleKeys(hubs: readonly Pick<MapHub, 'id'>[], bundles: readonly Uint8Array[]): Uint8Array[] {
  const at = new Array<number>(KEY_BUNDLES).fill(0)
  return hubs.map(({ id }) => {
    const n = bundleOf(id)
    const from = at[n] as number
    at[n] = from + CIRCUIT_PUBLIC_KEY_BYTES
    return (bundles[n] ?? NO_BYTES).subarray(from, at[n])
  })
}

/** How many bytes each bundle has for a map with these hubs. */
export function bundleSizes(hubs: readonly MapHub[]): number[] {
  const sizes = new Array<number>(KEY_BUNDLES).fill(0)
  for (const { id } of hubs) sizes[bundleOf(id)] = (sizes[bundleOf(id)] as number) + CIRCUIT_PUBLIC_KEY_BYTES
  return sizes
}

/** All bundles of a map, which stand one behind the other. Views. @throws Fault keys-damaged if there are more or fewer bytes */
export function splitBundles(hubs: readonly MapHub[], bytes: Uint8Array): Uint8Array[] {
  if (bytes.length !== hubs.length * CIRCUIT_PUBLIC_KEY_BYTES) throw new Fault('keys-damaged', { bytes: bytes.length })
  let at = 0
  return bundleSizes(hubs).map((size) => {
    at += size
    return bytes.subarray(at - size, at)
  })
}

/** The circuit keys of all hubs of one map. Read as keys when they are first used. */
export class CircuitKeys {
  readonly bundles: readonly Uint8Array[]
  /** Where the key of a hub is, by its `key`. */
  readonly #places = new Map<string, Uint8Array>()
  readonly #read = new Map<string, CircuitPublicKey>()

  /** @throws Fault keys-damaged if a bundle is not the one that the map names, or has another number of keys than hubs */
  constructor(hubs: readonly MapHub[], hashes: Uint8Array, bundles: readonly Uint8Array[]) {
    for (const [n, size] of bundleSizes(hubs).entries()) {
      const bundle = bundles[n] ?? NO_BYTES
      if (bundle.length !== size || !equalBytes(sha256(bundle), bundleHash(hashes, n))) {
        throw new Fault('keys-damaged', { bundle: n })
      }
    }
    const keys = unbundleKeys(hubs, bundles)
    for (const [i, { key }] of hubs.entries()) this.#places.set(key, keys[i] as Uint8Array)
    this.bundles = bundles
  }

  /** Undefined for a hub that is not in the map. */
  of({ key }: Pick<MapHub, 'key'>): CircuitPublicKey | undefined {
    const known = this.#read.get(key)
    if (known !== undefined) return known
    const bytes = this.#places.get(key)
    if (bytes === undefined) return undefined
    const made = new CircuitPublicKey(bytes)
    this.#read.set(key, made)
    return made
  }

  /** The bytes of the key of a hub, if it has one here. */
  bytesOf({ key }: Pick<MapHub, 'key'>): Uint8Array | undefined {
    return this.#places.get(key)
  }
}

const NO_BYTES = new Uint8Array(0)
