import { toHex, utf8 } from '../../../shared/base/bytes.ts'
import { shuffle } from '../../../shared/base/random.ts'
import { sha256 } from '../../../shared/crypto/kdf.ts'
import type { Location } from '../../../shared/geo/place.ts'
import { DEFAULT_EXIT_POLICY } from '../../../shared/map/exit-policy.ts'
import { UNMEASURED } from '../../../shared/map/measured.ts'
import { SimRandom } from '../sim-random.ts'
import { Weighted, zipfWeights } from '../weighted.ts'
import { spotOf } from './earth.ts'
import type { SimHub } from './world.ts'

/** Parts of all hubs, in any unit: few countries with much hosting have most of them. README.md has the reason. */
const COUNTRY_WEIGHTS: Readonly<Record<string, number>> = {
  ...{ DE: 22, US: 20, NL: 9, FR: 8, GB: 5, CH: 4, SE: 3.5, PL: 3, FI: 3, CA: 3, AT: 2, RO: 2, RU: 2, JP: 2, SG: 2 },
  ...{ CZ: 1.5, ES: 1.5, IT: 1.5, NO: 1.5, LU: 1, DK: 1, UA: 1, BG: 1, AU: 1, BR: 1, IN: 1, HK: 1, KR: 0.7, ZA: 0.5 },
  ...{ TW: 0.5, MX: 0.4, TR: 0.4, AR: 0.3, CL: 0.3, IL: 0.3, NZ: 0.3, MY: 0.3, TH: 0.3, ID: 0.3, GR: 0.3, PT: 0.3 },
}
const SYSTEMS_PER_COUNTRY = 50
const SYSTEM_EXPONENT = 1
const LARGEST_KBITS = 10_000_000
const LEAST_KBITS = 10_000
const CAPACITY_EXPONENT = 0.7
/** Hubs of one operator follow a power law: size k comes as often as k to this power. */
const OPERATOR_EXPONENT = -2
const LARGEST_OPERATOR_SHARE = 0.05
const DECLARED_SHARE = 0.8
const NAMED_SHARE = 0.7
const HOME_SHARE = 0.8
const EXIT_SHARE = 0.5
const IPV6_SHARE = 0.7
const MEAN_AWAY_SHARE = 0.01
/** Of all hubs, this share ends for good in a year. */
const LEAVING_PER_YEAR = 0.25

/**
 * A hub map of so many hubs, the same for the same seed.
 * @param locations where hubs can be, of which there must be some in a country with a weight
 */
export function generateHubs(count: number, locations: readonly Location[], seed: string): SimHub[] {
  const random = new SimRandom(`hubs ${seed}`)
  const drawLocation = hostingLocations(locations, random)
  const capacities = shuffle(
    zipfWeights(count, CAPACITY_EXPONENT).map((part) => Math.max(LEAST_KBITS, Math.round(LARGEST_KBITS * part))),
    random,
  )
  const hubs: SimHub[] = []
  for (const [owner, size] of operatorSizes(count, random).entries()) {
    const declares = size > 1 && random.unit() < DECLARED_SHARE
    const operator = declares || (size === 1 && random.unit() < NAMED_SHARE) ? `operator-${owner}.example` : ''
    const family = declares ? `family-${owner}` : ''
    for (let i = 0; i < size; i++) {
      const capacityKbits = capacities[hubs.length] as number
      hubs.push(hubOf({ owner, operator, family, capacityKbits, location: drawLocation() }, hubs.length, seed, random))
    }
  }
  return hubs
}

interface Chosen {
  readonly owner: number
  readonly operator: string
  readonly family: string
  readonly capacityKbits: number
  readonly location: Location
}

function hubOf({ owner, ...declared }: Chosen, number: number, seed: string, random: SimRandom): SimHub {
  const id = sha256(utf8(`hub ${seed} ${number}`))
  const isExit = random.unit() < EXIT_SHARE
  return {
    listed: {
      id,
      key: toHex(id),
      linkAddresses: [],
      noiseAddresses: [],
      flags: 0,
      roles: {
        home: random.unit() < HOME_SHARE,
        relay: true,
        exit4: isExit,
        exit6: random.unit() < IPV6_SHARE && isExit,
      },
      exitPolicy: DEFAULT_EXIT_POLICY,
      version: '1.0.0',
      measured: UNMEASURED,
      ...declared,
    },
    spot: spotOf(declared.location.place),
    owner,
    awayShare: -Math.log(1 - random.unit()) * MEAN_AWAY_SHARE,
    leavesOnDay: Math.floor((-Math.log(1 - random.unit()) * 365) / -Math.log(1 - LEAVING_PER_YEAR)),
  }
}

/** How many hubs each operator has. */
function operatorSizes(count: number, random: SimRandom): number[] {
  const largest = Math.max(1, Math.floor(count * LARGEST_OPERATOR_SHARE))
  const sizes = new Weighted(zipfWeights(largest, -OPERATOR_EXPONENT))
  const drawn: number[] = []
  for (let left = count; left > 0; ) {
    const size = Math.min(left, sizes.draw(random) + 1)
    drawn.push(size)
    left -= size
  }
  return drawn
}

/** Draws countries by weight, in each an autonomous system by Zipf's law, and of that one of the places it is seen at. */
function hostingLocations(locations: readonly Location[], random: SimRandom): () => Location {
  const countries = [...Map.groupBy(locations, ({ place }) => place.country)].filter(
    ([country]) => COUNTRY_WEIGHTS[country] !== undefined,
  )
  const bySystem = countries.map(([, here]) => {
    const systems = [...Map.groupBy(here, ({ asn }) => asn).values()]
    return shuffle(systems, random).slice(0, SYSTEMS_PER_COUNTRY)
  })
  const drawCountry = new Weighted(countries.map(([country]) => COUNTRY_WEIGHTS[country] as number))
  const drawSystem = bySystem.map(({ length }) => new Weighted(zipfWeights(length, SYSTEM_EXPONENT)))
  return () => {
    const country = drawCountry.draw(random)
    const system = (drawSystem[country] as Weighted).draw(random)
    const places = bySystem[country]?.[system] as Location[]
    return places[random.below(places.length)] as Location
  }
}
