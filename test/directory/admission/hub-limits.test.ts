import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { HUB_LIMITS, type HubLimits, keepWithinLimits } from '../../../directory/admission/hub-limits.ts'
import type { VotedHub } from '../../../directory/consensus/vote.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import { formatIp, parseIp } from '../../../shared/base/ip-address.ts'
import type { KeyedHub } from '../../../shared/map/key-bundles.ts'
import { NO_LIMITS, votedHub } from '../../support/directory-votes.ts'

const at = (...addresses: readonly string[]) => addresses.map((text) => ({ ip: parseIp(text)!, port: 443 }))

function hub(fill: number, provenSince: number, changes: Partial<KeyedHub> = {}): VotedHub {
  return { ...votedHub(fill, { operator: '', ...changes }), provenSince }
}

const keep = (hubs: readonly VotedHub[], limits: Partial<HubLimits>): number[] =>
  keepWithinLimits(hubs, { ...NO_LIMITS, ...limits }).map(({ id }) => id[0] as number)

describe('of hubs with something in common a map has no more than the limit, the longest proved ones', () => {
  test.each<[keyof HubLimits, Partial<KeyedHub>[], Partial<KeyedHub>]>([
    [
      'hubsPerIpv4Slash24',
      [{ linkAddresses: at('9.9.9.1') }, { linkAddresses: at('9.9.9.255') }, { linkAddresses: at('9.9.9.77') }],
      { linkAddresses: at('9.9.8.77') },
    ],
    [
      'hubsPerIpv4Slash16',
      [{ linkAddresses: at('9.9.9.1') }, { linkAddresses: at('9.9.255.1') }, { linkAddresses: at('9.9.0.1') }],
      { linkAddresses: at('9.8.0.1') },
    ],
    [
      'hubsPerIpv6Slash48',
      [
        { linkAddresses: at('2a00:1:2::1') },
        { linkAddresses: at('2a00:1:2:ffff::1') },
        { linkAddresses: at('2a00:1:2:1::1') },
      ],
      { linkAddresses: at('2a00:1:3::1') },
    ],
    [
      'hubsPerIpv6Slash32',
      [
        { linkAddresses: at('2a00:1:2::1') },
        { linkAddresses: at('2a00:1:ffff::1') },
        { linkAddresses: at('2a00:1::1') },
      ],
      { linkAddresses: at('2a00:2::1') },
    ],
    ['hubsPerFamily', [{ family: 'f' }, { family: 'f' }, { family: 'f' }], { family: 'g' }],
    ['hubsPerOperator', [{ operator: 'o' }, { operator: 'o' }, { operator: 'o' }], { operator: 'p' }],
  ])('%s', (limit, [a, b, c], other) => {
    const hubs = [hub(1, 300, a), hub(2, 100, b), hub(3, 200, c), hub(4, 400, other)]
    expect(keep(hubs, { [limit]: 2 })).toEqual([2, 3, 4])
    expect(keep(hubs, { [limit]: 3 })).toEqual([1, 2, 3, 4])
  })

  test('and none for an empty family or operator, which is none', () => {
    const hubs = [1, 2, 3].map((fill) => hub(fill, 1, { linkAddresses: at(`9.9.${fill}.1`) }))
    expect(keep(hubs, { hubsPerFamily: 1, hubsPerOperator: 1 })).toEqual([1, 2, 3])
  })

  test('whoever comes later drives nobody out', () => {
    const anyHub = fc.record({
      block: fc.integer({ min: 1, max: 3 }),
      operator: fc.constantFrom('', 'o', 'p'),
      family: fc.constantFrom('', 'f', 'g'),
    })
    const limits = { ...NO_LIMITS, hubsPerIpv4Slash24: 2, hubsPerFamily: 2, hubsPerOperator: 3 }
    const check = (
      old: readonly { block: number; operator: string; family: string }[],
      strangers: typeof old,
    ): void => {
      const make = (list: typeof old, from: number, since: number) =>
        list.map(({ block, ...said }, i) => hub(from + i, since + i, { linkAddresses: at(`9.9.${block}.1`), ...said }))
      const before = keepWithinLimits(make(old, 1, 1_000), limits).map(({ key }) => key)
      const all = [...make(strangers, 100, 5_000), ...make(old, 1, 1_000)]
      const after = keepWithinLimits(all, limits).map(({ key }) => key)
      expect(after.filter((key) => Number.parseInt(key.slice(0, 2), 16) < 100).toSorted()).toEqual(before.toSorted())
    }
    const list = fc.array(anyHub, { maxLength: 8 })
    fc.assert(fc.property(list, list, check), { seed: 3, numRuns: 300 })
  })

  test('an address in a full block is left out, a hub only with its last link address', () => {
    const [old, both, last] = [
      hub(1, 1, { linkAddresses: at('9.9.9.1') }),
      hub(2, 2, { linkAddresses: at('9.9.9.2', '2a00::1'), noiseAddresses: at('9.9.9.2') }),
      hub(3, 3, { linkAddresses: at('9.9.9.3'), noiseAddresses: at('2a00::2') }),
    ]
    const kept = keepWithinLimits([old, both, last], { ...NO_LIMITS, hubsPerIpv4Slash24: 1 })
    expect(kept.map(({ id }) => id[0])).toEqual([1, 2])
    expect(kept[1]?.linkAddresses.map(({ ip }) => formatIp(ip))).toEqual(['2a00::1'])
    expect(kept[1]?.noiseAddresses).toEqual([])
  })

  test('several addresses of a hub in a block count once, and what is left out counts nowhere', () => {
    const many = hub(1, 1, { linkAddresses: at('9.9.9.1', '9.9.9.2', '9.9.9.3') })
    const refused = hub(2, 2, { linkAddresses: at('9.9.9.4'), operator: 'o' })
    const third = hub(3, 3, { linkAddresses: at('8.8.8.8'), operator: 'o' })
    expect(keep([many, refused, third], { hubsPerIpv4Slash24: 1, hubsPerOperator: 1 })).toEqual([1, 3])
    expect(keep([many, refused, third], { hubsPerIpv4Slash24: 2 })).toEqual([1, 2, 3])
  })

  test('the order of hubs means nothing, and of equal age the smaller id stays', () => {
    const hubs = [3, 1, 2].map((fill) => hub(fill, 7))
    expect(keep(hubs, { hubsPerIpv4Slash24: 2 }).toSorted()).toEqual([1, 2])
    expect(keep(hubs.toReversed(), { hubsPerIpv4Slash24: 2 }).toSorted()).toEqual([1, 2])
  })

  test('10,000 hubs are gone through in one pass: each limit is looked up, not searched for', () => {
    const hubs = Array.from({ length: 10_000 }, (_, i) => {
      const id = new Uint8Array(32)
      new DataView(id.buffer).setUint32(0, i)
      const linkAddresses = [{ ip: Uint8Array.of(9, i >> 12, (i >> 4) & 0xff, i & 15), port: 443 }]
      return { ...hub(1, i, { linkAddresses }), hub: { ...hub(1, i, { linkAddresses }).hub, id, key: toHex(id) } }
    })
    expect(keepWithinLimits(hubs, { ...NO_LIMITS, hubsPerIpv4Slash24: 4 })).toHaveLength(2_500)
    expect(new Set(HUB_LIMITS).size).toBe(6)
  })
})
