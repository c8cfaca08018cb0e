import fc from 'fast-check'
import type { HubFacts } from '../../../client/navigator/hub-facts.ts'
import { FACTS_OF_MAP } from '../../../client/navigator/hub-facts.ts'
import { DEFAULT_EXIT_POLICY } from '../../../shared/map/exit-policy.ts'
import type { MapHub } from '../../../shared/map/hub-map.ts'
import { mapHubOf } from '../../support/map-fixtures.ts'

const COUNTRIES = ['DE', 'US', 'NL', 'FR', 'JP', '']
const LARGEST_KBITS = 10_000_000

const anyHub = fc.record({
  operator: fc.constantFrom('', '', 'one', 'two', 'three', 'four'),
  family: fc.constantFrom('', '', '', 'red', 'blue'),
  home: fc.boolean(),
  relay: fc.boolean(),
  exit4: fc.boolean(),
  exit6: fc.boolean(),
  latitude: fc.integer({ min: -60, max: 70 }),
  longitude: fc.integer({ min: -180, max: 180 }),
  country: fc.constantFrom(...COUNTRIES),
  asn: fc.integer({ min: 0, max: 6 }),
  block: fc.integer({ min: 1, max: 40 }),
  rejects: fc.constantFrom(false, false, false, true),
  capacityKbits: fc.integer({ min: 0, max: LARGEST_KBITS }),
})
type AnyHub = typeof anyHub extends fc.Arbitrary<infer T> ? T : never

/** A hub of its own by its number, with a block of addresses of its own unless it is told another. */
export function hubNumber(number: number, changes: Partial<MapHub> = {}): MapHub {
  const id = new Uint8Array(32)
  new DataView(id.buffer).setUint32(0, number + 1)
  const ip = Uint8Array.of(20 + ((number >> 8) % 100), number % 256, 1, 1)
  return mapHubOf(id, { operator: `operator ${number}`, linkAddresses: [{ ip, port: 443 }], ...changes })
}

function hubOf(one: AnyHub, number: number): MapHub {
  const { latitude, longitude, country, asn, operator, family, capacityKbits } = one
  return hubNumber(number, {
    ...{ operator, family, capacityKbits },
    roles: { home: one.home, relay: one.relay, exit4: one.exit4, exit6: one.exit6 },
    location: { place: { latitude, longitude, country, city: '' }, asn },
    linkAddresses: [{ ip: Uint8Array.of(20, one.block, 1, 1), port: 443 }],
    exitPolicy: one.rejects ? [{ action: 'reject', fromPort: 1, toPort: 65535 }] : DEFAULT_EXIT_POLICY,
  })
}

/** Maps with operators, families, systems and blocks of several hubs each. */
export const anyHubs = (minLength: number, maxLength: number): fc.Arbitrary<MapHub[]> =>
  fc.array(anyHub, { minLength, maxLength }).map((hubs) => hubs.map(hubOf))

/** Facts with loads that follow from the hubs themselves. */
export const BUSY_FACTS: HubFacts = { ...FACTS_OF_MAP, load: ({ id }) => ((id[3] as number) % 5) / 4 }
