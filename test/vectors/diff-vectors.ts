import { nobleDiff, nobleDiffBody, nobleKeyDiff } from '../support/noble-diffs.ts'
import { nobleMapBody, nobleSignedMap, type PlainMap, type PlainMapHub } from '../support/noble-documents.ts'
import { join, nobleHash } from '../support/noble-primitives.ts'
import { DIRECTORIES, EPOCH_S } from './document-vectors.ts'
import { VECTOR_HUBS, VECTOR_NETWORK_ID, VECTOR_TIME_S, type VectorHub } from './vector-circuits.ts'

const [A, B, C, D] = VECTOR_HUBS as [VectorHub, VectorHub, VectorHub, VectorHub]

/** @param keys whose circuit key it has */
function hubOf({ name, hubId }: VectorHub, operator = `operator ${name}`, keys = { pair: A.pair }): PlainMapHub {
  return {
    id: hubId,
    linkAddresses: [{ ip: Uint8Array.of(9, 9, 9, 9), port: 443 }],
    circuitKey: join(keys.pair.B, keys.pair.K),
    ...{ roles: 7, exitPolicy: [], operator, family: '', programVersion: '1.2.3', capacityKbits: 100_000 },
    measured: { uptimeClass: 9, mtbfClass: 5, loadClass: 0, delayClass: 0, doubts: 0 },
    place: { latitude: 48.208, longitude: 16.372, country: 'AT', city: 'Wien' },
    ...{ asNumber: 64_500, flags: 0, noiseAddresses: [] },
  }
}

function remeasured(hub: VectorHub): PlainMapHub {
  const measured = { uptimeClass: 10, mtbfClass: 6, loadClass: 3, delayClass: 2, doubts: 5 }
  return { ...hubOf(hub), capacityKbits: 65_536, measured }
}

function mapOf(epochsLater: number, hubs: readonly PlainMapHub[], hashBefore: Uint8Array): PlainMap {
  const validAfter = VECTOR_TIME_S + epochsLater * EPOCH_S
  return {
    epoch: validAfter / EPOCH_S,
    ...{ validAfter, freshUntil: validAfter + EPOCH_S, validUntil: validAfter + 3 * EPOCH_S },
    ...{ hashBefore, addressScope: [] },
    hubs: hubs.toSorted((one, other) => Buffer.compare(one.id, other.id)),
  }
}

export function diffVectors() {
  const old = mapOf(0, [hubOf(A), hubOf(B), hubOf(C)], new Uint8Array(32))
  const hash = nobleHash(nobleMapBody(old, VECTOR_NETWORK_ID))
  const signers = DIRECTORIES.slice(0, 2).map(({ seed }) => seed)
  const signedOf = (map: PlainMap): Uint8Array =>
    nobleSignedMap(nobleMapBody(map, VECTOR_NETWORK_ID), signers, VECTOR_NETWORK_ID)
  const changes: Record<string, PlainMap> = {
    'nothing but the epoch': mapOf(1, old.hubs, hash),
    'a leaves, b says something new, c has a new key, d comes': mapOf(
      2,
      [hubOf(B, 'somebody else'), hubOf(C, undefined, C), hubOf(D, undefined, D)],
      new Uint8Array(32).fill(1),
    ),
    'two are measured anew, one of them says something new too': mapOf(
      1,
      [remeasured(A), hubOf(B), { ...remeasured(C), operator: 'somebody else' }],
      hash,
    ),
    'one leaves, and both others are measured anew': mapOf(1, [remeasured(A), { ...hubOf(C), capacityKbits: 4 }], hash),
    'all leave': mapOf(1, [], hash),
  }
  return {
    about:
      'Diffs of maps and of circuit keys (SPEC 11.11), all from the map `old`, whose signed form is `signedOld`. directories: those ' +
      'of the network file, both of which signed. body: of the diff, which stands in it as Brotli that packs nothing, so a maker of ' +
      'diffs will have other bytes there. signed: what the diff makes of the old map.',
    networkId: VECTOR_NETWORK_ID,
    directories: DIRECTORIES.slice(0, 2),
    old,
    signedOld: signedOf(old),
    diffs: Object.entries(changes).map(([name, map]) => {
      const body = nobleDiffBody(old, map, VECTOR_NETWORK_ID)
      const diff = nobleDiff(body, map, signers, VECTOR_NETWORK_ID)
      return { name, map, body, diff, signed: signedOf(map), keyDiff: nobleKeyDiff(old, map) }
    }),
  }
}
