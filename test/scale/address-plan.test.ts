import { expect, test } from '@jest/globals'
import { keepWithinLimits } from '../../directory/admission/hub-limits.ts'
import { directoryOptionsSchema } from '../../directory/options.ts'
import { parseRange, rangeContains } from '../../shared/base/ip-address.ts'
import { mapHubOf } from '../support/map-fixtures.ts'
import { hubAddress, IPV4_HUBS, PLAN_RANGES } from './address-plan.ts'

const { limits } = directoryOptionsSchema.parse({ networkFile: '-', stateDir: '-', listen: '127.0.0.1:1' })

function votedAt(ip: Uint8Array, n: number) {
  const id = new Uint8Array(32)
  new DataView(id.buffer).setUint32(0, n)
  const hub = mapHubOf(id, { linkAddresses: [{ ip, port: 443 }], operator: '' })
  return { sequence: 1, provenSince: n, weightKbits: undefined, hub }
}

test('ten thousand planned hubs all fit into a map by the limits as shipped, and no more of IPv4 would', () => {
  const hubs = Array.from({ length: 10_000 }, (_, n) => votedAt(hubAddress(n), n))
  expect(keepWithinLimits(hubs, limits)).toHaveLength(10_000)
  const more = votedAt(Uint8Array.of(198, 19, 255, 1), 10_000)
  expect(keepWithinLimits([...hubs.slice(0, IPV4_HUBS), more], limits)).toHaveLength(IPV4_HUBS)
})

test('all planned addresses are in the ranges of the plan', () => {
  const ranges = PLAN_RANGES.map((text) => parseRange(text)!)
  for (let n = 0; n < 20_000; n++) expect(ranges.some((range) => rangeContains(range, hubAddress(n)))).toBe(true)
})
