import { finishMap, type MadeMap } from '../../directory/map-draft.ts'
import { assess, FIRST_KBITS } from '../../directory/measure/assess.ts'
import { type HubRecord, KEPT_RESULTS, NO_RECORD, withProbe, withResult } from '../../directory/measure/hub-record.ts'
import { ROTATE_AFTER_MS, rotationTurnMs } from '../../hub/circuit-keys.ts'
import { parseRange } from '../../shared/base/ip-address.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import { DEFAULT_EXIT_POLICY } from '../../shared/map/exit-policy.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import { type KeyedHub, makeKeyBundles } from '../../shared/map/key-bundles.ts'
import { EPOCH, mapHubOf, mapOf, signMap } from '../support/map-fixtures.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { BENCH_KEYS, BENCH_NETWORK } from './bench-network.ts'

const HOUR_MS = 3_600_000
const EPOCH_START_S = EPOCH * 3600
const CITIES = ['Vienna', 'Frankfurt am Main', 'São Paulo', 'Tokyo', 'Ashburn', 'Singapore', 'Johannesburg', 'Sydney']
const random = seededRandom('generated map')
/** A hub with real keys, and texts and policies as hubs have them. Half are exits, of which a tenth have rules of their own. */
export function generateHub(): KeyedHub {
  const n = random.below(1_000_000)
  const isExit = n % 2 === 0
  const ip = Uint8Array.of(9, ...random.bytes(3))
  const v6 = Uint8Array.of(0x2a, 0x01, ...random.bytes(6), ...new Uint8Array(7), 1)
  const own = { action: 'reject' as const, range: parseRange(`9.${n % 256}.0.0/16`)!, fromPort: 1, toPort: 65_535 }
  return mapHubOf(HubKey.generate().publicBytes, {
    linkAddresses:
      n % 3 === 0
        ? [
            { ip, port: 443 },
            { ip: v6, port: 443 },
          ]
        : [{ ip, port: 443 }],
    circuitKey: newCircuitKey(),
    roles: { home: n % 5 > 0, relay: true, exit4: isExit, exit6: isExit && n % 3 === 0 },
    exitPolicy: isExit ? [...(n % 20 === 0 ? [own] : []), ...DEFAULT_EXIT_POLICY] : [],
    operator: `operator-${n % 3000}.example`,
    family: n % 7 === 0 ? `family-${n % 500}` : '',
    capacityKbits: 10_000 * (1 + (n % 100)),
    location: {
      place: {
        latitude: random.below(180_000) / 1000 - 90,
        longitude: random.below(360_000) / 1000 - 180,
        country: String.fromCharCode(65 + (n % 26), 65 + ((n >> 5) % 26)),
        city: CITIES[n % CITIES.length] as string,
      },
      asn: 1000 + (n % 60_000),
    },
  })
}

function newCircuitKey(): CircuitPublicKey {
  return new CircuitPublicKey(CircuitKeyPair.generate().publicBytes)
}

/** A hub as it is, and what was measured of it until now. */
interface KnownHub {
  readonly claimedKbits: number
  readonly trueKbits: number
  record: HubRecord
}

const known = new Map<string, KnownHub>()
const PROBES_PER_HOUR = 6
const HOURS_BETWEEN_TRANSFERS = 6

function knownHub({ key, capacityKbits }: KeyedHub): KnownHub {
  const found = known.get(key) ?? {
    claimedKbits: capacityKbits,
    trueKbits: (capacityKbits * (20 + random.below(100))) / 100,
    record: NO_RECORD,
  }
  known.set(key, found)
  return found
}

/** One in 200 probes is lost, and a transfer is up to 30 % off. */
function measureHub(hub: KnownHub, atS: number, probes: number, transfers: number): void {
  for (let i = 0; i < probes; i++) {
    hub.record = withProbe(hub.record, { atS: atS + i * 600, answered: random.below(200) > 0, rttMs: 30 })
  }
  for (let i = 0; i < transfers; i++) {
    const kbits = Math.round((hub.trueKbits * (70 + random.below(61))) / 100)
    hub.record = withResult(hub.record, { atS, kbits })
  }
}

/** What a directory says of it now, by its rules. */
function assessedHub(hub: KeyedHub, atS: number, published: KeyedHub | undefined): KeyedHub {
  const { record, claimedKbits } = knownHub(hub)
  const facts = { record, claimedKbits, places: [], loadClass: 0, links: undefined, published }
  const { weightKbits = FIRST_KBITS, measured } = assess(facts, atS)
  return { ...hub, capacityKbits: Math.min(claimedKbits, weightKbits), measured }
}

/** A hub that is in the map for days, so that it grows no more. */
export function longKnown(hub: KeyedHub): KeyedHub {
  const one = knownHub(hub)
  measureHub(one, EPOCH_START_S - 900 * 600, 900, 0)
  measureHub(one, EPOCH_START_S, 0, KEPT_RESULTS)
  const grown = { ...hub, capacityKbits: 0xffff_ffff }
  return assessedHub(hub, EPOCH_START_S, grown)
}

/**
 * An hour later: this share of the hubs left and as many came, hubs whose turn it was (SPEC section 6.1) have new keys, and all were
 * measured.
 */
export function anHourLater(hubs: readonly KeyedHub[], hour: number, churn: number): KeyedHub[] {
  const leaving = Math.round(hubs.length * churn)
  const first = random.below(hubs.length - leaving)
  const staying = hubs.filter((_, place) => place < first || place >= first + leaving)
  const isTurn = (id: Uint8Array): boolean => Math.floor((rotationTurnMs(id) % ROTATE_AFTER_MS) / HOUR_MS) === hour % 24
  const rekeyed = staying.map((hub) => (isTurn(hub.id) ? { ...hub, circuitKey: newCircuitKey() } : hub))
  return sortHubs([...rekeyed, ...Array.from({ length: leaving }, generateHub)]).map((hub) => {
    const atS = EPOCH_START_S + hour * 3600
    const isNew = !known.has(hub.key)
    measureHub(knownHub(hub), atS, PROBES_PER_HOUR, random.below(HOURS_BETWEEN_TRANSFERS) === 0 ? 1 : 0)
    return assessedHub(hub, atS, isNew ? undefined : hub)
  })
}

/** The map of this hour with the signatures of five of seven directories. */
export function publishedMap(hubs: readonly KeyedHub[], hour: number): MadeMap & { readonly signed: Uint8Array } {
  const map = mapOf({ epoch: EPOCH + hour, hubs })
  return {
    ...finishMap(map, BENCH_NETWORK.id),
    signed: signMap(map, BENCH_KEYS.slice(0, 5), BENCH_NETWORK.id),
    bundles: makeKeyBundles(hubs),
  }
}
