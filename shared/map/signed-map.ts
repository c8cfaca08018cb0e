import { equalBytes, toHex } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import type { DirectoryKey, DirectoryPublicKey } from '../crypto/directory-key.ts'
import { sha256 } from '../crypto/kdf.ts'
import { decodeCanonical, encodeCanonical } from './canonical.ts'
import { type MapContent, type MapHub, mapValue, readMap } from './hub-map.ts'
import { CircuitKeys } from './key-bundles.ts'
import type { Network } from './network.ts'
import { encodeSignedFrame, type MapSignature, readSignedFrame } from './signed-frame.ts'
import { ValueReader } from './value-reader.ts'

/** Each signature is over the body with the label "spn/1 map" (SPEC section 11.4). */
const MAGIC = 'SPNM'

export const MAX_MAP_BYTES = 48 * 1024 * 1024
export const MAX_MAP_DEPTH = 6

/** How far a map's `validAfter` may lie ahead of our time, seconds: clocks of directories are not all the same. */
export const MAX_EARLY_S = 60

export function encodeMapBody(map: MapContent, networkId: Uint8Array): Uint8Array {
  return encodeCanonical(mapValue(map, networkId))
}

export function signMapBody(body: Uint8Array, key: DirectoryKey, networkId: Uint8Array): MapSignature {
  return { directoryKey: key.publicBytes, signature: key.sign('spn/1 map', networkId, body) }
}

export function verifyMapSignature(
  body: Uint8Array,
  signature: Uint8Array,
  key: DirectoryPublicKey,
  networkId: Uint8Array,
): boolean {
  return key.verify('spn/1 map', networkId, body, signature)
}

export function encodeSignedMap(body: Uint8Array, signatures: readonly MapSignature[]): Uint8Array {
  return encodeSignedFrame(MAGIC, { signatures, length: body.length, content: body })
}

/** The signatures of a map, not checked. @throws Fault encoding-invalid */
export function signaturesOf(signed: Uint8Array): readonly MapSignature[] {
  return readSignedFrame(MAGIC, signed, MAX_MAP_BYTES).signatures
}

/** A map that was checked. There is no other way to get one than `UnverifiedMap.verify`. */
export class HubMap {
  readonly content: MapContent
  /** SHA-256 of the body: what the next map names as its predecessor. */
  readonly hash: Uint8Array
  /** The signed bytes, for keeping and handing on. */
  readonly bytes: Uint8Array
  /** The circuit keys of its hubs, for those who build circuits. */
  readonly keys: CircuitKeys | undefined
  readonly #byId: ReadonlyMap<string, MapHub>

  /** Only for `UnverifiedMap` and `withKeys`. */
  constructor(content: MapContent, hash: Uint8Array, bytes: Uint8Array, keys?: CircuitKeys) {
    this.content = content
    this.hash = hash
    this.bytes = bytes
    this.keys = keys
    this.#byId = new Map(content.hubs.map((hub) => [hub.key, hub]))
  }

  /** The same map with its circuit keys. @throws Fault keys-damaged */
  withKeys(bundles: readonly Uint8Array[]): HubMap {
    const { hubs, bundleHashes } = this.content
    return new HubMap(this.content, this.hash, this.bytes, new CircuitKeys(hubs, bundleHashes, bundles))
  }

  hub(id: Uint8Array): MapHub | undefined {
    return this.#byId.get(toHex(id))
  }

  /** May it still be used at this network time (ms)? */
  isValidAt(networkMs: number): boolean {
    return networkMs < this.content.validUntil * 1000
  }
}

/** Bytes that claim to be a hub map. Nothing can be read from them before `verify`. */
export class UnverifiedMap {
  readonly #bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /**
   * Signatures first, then parsing, then time.
   *
   * @param networkMs network time, Unix ms
   * @param held the map that is already there; an older one is refused
   * @throws Fault document-too-large, encoding-invalid, signature-invalid, signatures-too-few, map-network, map-scope,
   *   map-early, map-expired, map-older
   */
  verify(network: Network, networkMs: number, held?: HubMap): HubMap {
    return this.#check(network, (map, hash) => {
      checkMapTime(map, networkMs)
      if (held !== undefined) checkNewer(map, hash, held)
    })
  }

  /**
   * The same whatever the time: a map that may be over. It is good for a diff from it, for addresses at which hubs may still
   * be, and to see that directories signed it. Nobody may build circuits by it.
   *
   * @throws Fault as `verify`, but none for time or age
   */
  verifyOfAnyTime(network: Network): HubMap {
    return this.#check(network, () => {})
  }

  #check(network: Network, checkAge: (map: MapContent, hash: Uint8Array) => void): HubMap {
    const { body, signatures } = this.#split()
    checkSignatures(network, body, signatures)
    const read = readMap(new ValueReader(decodeCanonical(body, { maxBytes: MAX_MAP_BYTES, maxDepth: MAX_MAP_DEPTH })))
    if (read === undefined) throw new Fault('encoding-invalid')
    const { networkId, map } = read
    if (!equalBytes(networkId, network.id)) throw new Fault('map-network')
    if (map.parameters.addressScope.length > 0 && !network.testNetwork) throw new Fault('map-scope')
    const hash = sha256(body)
    checkAge(map, hash)
    return new HubMap(map, hash, this.#bytes.slice())
  }

  #split(): { body: Uint8Array; signatures: readonly MapSignature[] } {
    const { signatures, length, content } = readSignedFrame(MAGIC, this.#bytes, MAX_MAP_BYTES)
    if (content.length !== length) throw new Fault('encoding-invalid')
    return { body: content, signatures }
  }
}

/** Signatures of directories that the network does not know count for nothing; a wrong one of a known directory is a forgery. */
function checkSignatures(network: Network, body: Uint8Array, signatures: readonly MapSignature[]): void {
  const valid = new Set<string>()
  for (const { directoryKey, signature } of signatures) {
    const directory = network.directories.find(({ key }) => equalBytes(key.bytes, directoryKey))
    if (directory === undefined) continue
    if (!verifyMapSignature(body, signature, directory.key, network.id)) {
      throw new Fault('signature-invalid', { directory: directory.name })
    }
    valid.add(toHex(directoryKey))
  }
  if (valid.size < network.threshold) {
    throw new Fault('signatures-too-few', { valid: valid.size, needed: network.threshold })
  }
}

/** @throws Fault map-early, map-expired */
export function checkMapTime(map: MapContent, networkMs: number): void {
  const now = Math.floor(networkMs / 1000)
  if (map.validAfter > now + MAX_EARLY_S) throw new Fault('map-early', { seconds: map.validAfter - now })
  if (map.validUntil <= now) throw new Fault('map-expired', { seconds: now - map.validUntil })
}

function checkNewer(map: MapContent, hash: Uint8Array, held: HubMap): void {
  const same = map.epoch === held.content.epoch && equalBytes(hash, held.hash)
  if (!same && map.epoch <= held.content.epoch) {
    throw new Fault('map-older', { epoch: map.epoch, held: held.content.epoch })
  }
}
