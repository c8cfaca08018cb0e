import { concatBytes, equalBytes, toHex, utf8 } from '../../../shared/base/bytes.ts'
import { sortHubs } from '../../../shared/map/hub-map.ts'
import { makeKeyBundles } from '../../../shared/map/key-bundles.ts'
import { applyKeyDiff, encodeKeyDiff, maxKeyDiffBytes } from '../../../shared/map/key-diff.ts'
import { applyMapDiff, encodeMapDiff } from '../../../shared/map/map-diff.ts'
import { NO_DOUBTS } from '../../../shared/map/measured.ts'
import { pack, unpack } from '../../../shared/map/packing.ts'
import { encodeSignedFrame, readSignedFrame } from '../../../shared/map/signed-frame.ts'
import { signaturesOf } from '../../../shared/map/signed-map.ts'
import { EPOCH, mapHubOf, mapOf, NETWORK_ID, networkWith, signMap, verifiedMap } from '../../support/map-fixtures.ts'
import { type FuzzTarget, promise } from '../fuzz-target.ts'
import { CIRCUIT_KEY, orFault } from './document-targets.ts'

const { network, keys } = networkWith(1, 1)
const HUBS = sortHubs(
  [1, 2, 65].map((fill) => mapHubOf(new Uint8Array(32).fill(fill), { circuitKey: CIRCUIT_KEY, exitPolicy: [] })),
)
const HELD = verifiedMap(mapOf({ epoch: EPOCH - 1, hubs: HUBS }), network, keys)
const FOUND = {
  capacityKbits: 300,
  measured: { uptimeClass: 9, mtbfClass: 7, loadClass: 3, delayClass: 4, doubts: { ...NO_DOUBTS, status: true } },
}
const NEXT = mapOf({
  hubs: sortHubs([
    ...HUBS.slice(1).map((hub) => ({ ...hub, ...FOUND })),
    mapHubOf(new Uint8Array(32).fill(3), { circuitKey: CIRCUIT_KEY, exitPolicy: [] }),
  ]),
})
const TARGET = verifiedMap(NEXT, network, keys)
const MAX_UNPACKED = 65_536

/** which u8: bytes of a diff, or the body in one */
const mapDiff: FuzzTarget = {
  name: 'map-diff',
  about: 'what a directory says to have changed since a map',
  maxBytes: 4096,
  words: [HELD.hash, utf8('SPND')],
  seeds: () => {
    const hubs = NEXT.hubs.filter(({ id }) => id[0] === 3)
    const full = encodeMapDiff(
      { from: HELD.hash, head: NEXT, left: [0], remeasured: [1, 2].map((place) => ({ place, ...FOUND })), hubs },
      NETWORK_ID,
      signaturesOf(signMap(NEXT, [])),
    )
    const { length, content } = readSignedFrame('SPND', full, MAX_UNPACKED)
    return [concatBytes(Uint8Array.of(0), full), concatBytes(Uint8Array.of(1), unpack(content, length))]
  },
  run(input) {
    const rest = input.subarray(1)
    const body = { signatures: [], length: rest.length, content: pack(rest) }
    const diff = (input[0] ?? 0) % 2 === 0 ? rest : encodeSignedFrame('SPND', body)
    const applied = orFault(['encoding-invalid', 'document-too-large'], () => applyMapDiff(diff, HELD))
    if (typeof applied === 'string') return applied
    const { length, content } = readSignedFrame('SPNM', applied, Number.MAX_SAFE_INTEGER)
    promise(content.length === length, 'a diff gives a map in its frame')
    return 'applied'
  },
}

const keyDiff: FuzzTarget = {
  name: 'key-diff',
  about: 'which circuit keys a directory says to have changed',
  maxBytes: 6 * 1216,
  words: [utf8('SPNK')],
  seeds: () => [
    encodeKeyDiff(HUBS.map(() => undefined)),
    encodeKeyDiff(NEXT.hubs.map(({ id }) => (id[0] === 3 ? CIRCUIT_KEY.bytes : undefined))),
    encodeKeyDiff(NEXT.hubs.map(() => CIRCUIT_KEY.bytes)),
  ],
  run(input) {
    const bundles = orFault(['encoding-invalid', 'keys-damaged'], () => applyKeyDiff(input, TARGET, HELD))
    if (typeof bundles === 'string') return bundles
    promise(input.length <= maxKeyDiffBytes(NEXT.hubs.length), 'a longer one is refused')
    const taken = orFault(['keys-damaged'], () => TARGET.withKeys(bundles))
    if (typeof taken === 'string') return `applied, ${taken}`
    for (const [n, bundle] of makeKeyBundles(NEXT.hubs).entries()) {
      promise(equalBytes(bundle, bundles[n] as Uint8Array), `bundle ${n} is ${toHex(bundle).slice(0, 8)}`)
    }
    return 'taken'
  },
}

export const DIFF_TARGETS: readonly FuzzTarget[] = [mapDiff, keyDiff]
