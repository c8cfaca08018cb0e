import { toHex } from '../../shared/base/bytes.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { DirectoryKey, DirectoryPublicKey } from '../../shared/crypto/directory-key.ts'
import type { HubKey } from '../../shared/crypto/hub-key.ts'
import type { Descriptor } from '../../shared/map/descriptor.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'
import { type MapContent, sortHubs } from '../../shared/map/hub-map.ts'
import { NO_STATUS } from '../../shared/map/hub-status.ts'
import { hashKeyBundles, type KeyedHub, makeKeyBundles } from '../../shared/map/key-bundles.ts'
import { UNMEASURED } from '../../shared/map/measured.ts'
import type { Network } from '../../shared/map/network.ts'
import { encodeMapBody, encodeSignedMap, type HubMap, signMapBody, UnverifiedMap } from '../../shared/map/signed-map.ts'

export const NETWORK_ID = new Uint8Array(32).fill(0x4e)
export const EPOCH_S = 3_600
/** 2026-01-01, which is the beginning of an epoch. */
export const EPOCH = Date.UTC(2026, 0, 1) / 1000 / EPOCH_S
export const NOW_S = EPOCH * EPOCH_S + 60
export const NOW_MS = NOW_S * 1000

const CIRCUIT_KEY = CircuitKeyPair.generate().publicBytes
const ROLES = { home: true, relay: true, exit4: true, exit6: false }
const VIENNA = { latitude: 48.208, longitude: 16.372, country: 'AT', city: 'Vienna' }

/** A descriptor that every directory takes. */
export function descriptorOf(key: HubKey, changes: Partial<Descriptor> = {}): Descriptor {
  return {
    hubId: key.publicBytes,
    sequence: 1,
    published: NOW_S,
    expires: NOW_S + 3 * EPOCH_S,
    linkAddresses: [{ ip: Uint8Array.of(9, 9, 9, 9), port: 443 }],
    noiseAddresses: [],
    circuitKey: CIRCUIT_KEY,
    roles: ROLES,
    exitPolicy: DEFAULT_EXIT_POLICY,
    operator: 'example.org',
    family: '',
    contact: 'hub@example.org',
    version: '1.2.3',
    capacityKbits: 100_000,
    place: VIENNA,
    status: NO_STATUS,
    ...changes,
  }
}

export function mapHubOf(id: Uint8Array, changes: Partial<KeyedHub> = {}): KeyedHub {
  return {
    id,
    key: toHex(id),
    linkAddresses: [{ ip: Uint8Array.of(9, 9, 9, 9), port: 443 }],
    noiseAddresses: [],
    circuitKey: new CircuitPublicKey(CIRCUIT_KEY),
    roles: ROLES,
    exitPolicy: DEFAULT_EXIT_POLICY,
    operator: 'example.org',
    family: '',
    version: '1.2.3',
    capacityKbits: 100_000,
    measured: UNMEASURED,
    location: { place: VIENNA, asn: 64_500 },
    flags: 0,
    ...changes,
  }
}

/** A map whose hubs have their circuit keys at hand. */
export interface KeyedMap extends MapContent {
  readonly hubs: readonly KeyedHub[]
}

/** A map that is valid at `NOW_MS`. */
export function mapOf(changes: Partial<KeyedMap> = {}): KeyedMap {
  const hubs = changes.hubs ?? sortHubs([1, 2, 3].map((fill) => mapHubOf(new Uint8Array(32).fill(fill))))
  const epoch = changes.epoch ?? EPOCH
  return {
    epoch,
    validAfter: epoch * EPOCH_S,
    freshUntil: (epoch + 1) * EPOCH_S,
    validUntil: (epoch + 3) * EPOCH_S,
    previousHash: new Uint8Array(32),
    parameters: { addressScope: [] },
    bundleHashes: hashKeyBundles(makeKeyBundles(hubs)),
    hubs,
    ...changes,
  }
}

/** Some directories, and a network of which so many have to sign. */
export function networkWith(
  count: number,
  threshold: number,
  changes: Partial<Network> = {},
): { network: Network; keys: DirectoryKey[] } {
  const keys = Array.from({ length: count }, () => DirectoryKey.generate())
  const network: Network = {
    name: 'test',
    id: NETWORK_ID,
    directories: keys.map(({ publicBytes }, i) => ({
      name: `d${i}`,
      key: new DirectoryPublicKey(publicBytes),
      url: `http://d${i}.example`,
    })),
    threshold,
    testNetwork: false,
    ...changes,
  }
  return { network, keys }
}

export function signMap(
  map: MapContent,
  keys: readonly DirectoryKey[],
  networkId: Uint8Array = NETWORK_ID,
): Uint8Array {
  const body = encodeMapBody(map, networkId)
  const signatures = keys.map((key) => signMapBody(body, key, networkId))
  return encodeSignedMap(body, signatures)
}

export function verifiedMap(map: KeyedMap, network: Network, keys: readonly DirectoryKey[], nowMs = NOW_MS): HubMap {
  return new UnverifiedMap(signMap(map, keys)).verify(network, nowMs).withKeys(makeKeyBundles(map.hubs))
}
