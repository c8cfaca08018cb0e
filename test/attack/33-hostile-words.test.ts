import { describe, expect, test } from '@jest/globals'
import { HUB_LIMITS, keepWithinLimits } from '../../directory/admission/hub-limits.ts'
import { hubListsSchema } from '../../directory/admission/hub-lists.ts'
import { mapExportSchema } from '../../directory/api-schemas.ts'
import { decodeVote, encodeVote } from '../../directory/consensus/vote.ts'
import { exportMap } from '../../directory/map-export.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { decodeCanonical, encodeCanonical, type Value } from '../../shared/map/canonical.ts'
import { NO_LIMITS, votedHub, voteOf } from '../support/directory-votes.ts'
import { faultOf } from '../support/fault-of.ts'
import { mapHubOf, mapOf, NETWORK_ID } from '../support/map-fixtures.ts'

const WORDS = ['__proto__', 'constructor', '"}],"x":[{"', '</script><script>', '\u202e\u200b', '%s', 'a'.repeat(128)]

describe('words that a hub chooses', () => {
  test('stand in the JSON of the map as they are, and mean nothing else there', () => {
    const hubs = WORDS.map((word, i) => mapHubOf(new Uint8Array(32).fill(i + 1), { operator: word, version: word }))
    const exported: unknown = JSON.parse(JSON.stringify(exportMap(mapOf({ hubs }), new Uint8Array(32), NETWORK_ID)))
    expect(mapExportSchema.parse(exported).hubs.map(({ operator, version }) => [operator, version])).toEqual(
      WORDS.map((word) => [word, word]),
    )
  })

  test('are counted as what they are: one hub in a family of another’s name fills nothing of it', () => {
    const hub = (fill: number, changes: object) =>
      votedHub(fill, { linkAddresses: [{ ip: Uint8Array.of(9, 9, fill, 1), port: 443 }], ...changes })
    const limits = { ...NO_LIMITS, hubsPerFamily: 1, hubsPerOperator: 1 }
    const hubs = [
      hub(1, { operator: 'x', family: '' }),
      hub(2, { operator: '', family: 'x' }),
      hub(3, { operator: '__proto__' }),
    ]
    expect(keepWithinLimits(hubs, limits)).toHaveLength(3)
  })

  test('of an entry of lists make no other object', () => {
    const entries = [{ verdict: 'banned', subject: '__proto__', value: 'x', reason: 'x' }]
    expect(hubListsSchema.safeParse({ number: 1, entries }).success).toBe(false)
    expect(hubListsSchema.safeParse(JSON.parse('{"number":1,"entries":[],"__proto__":{"x":1}}')).success).toBe(false)
  })
})

describe('a vote', () => {
  const fields = decodeCanonical(encodeVote(voteOf()), { maxBytes: 100_000, maxDepth: 6 }) as Value[]
  const [, terms, , hubs] = fields as [Value, Value[], Value, Value[][]]
  const withTerms = (change: (terms: Value[]) => Value[]) => fields.toSpliced(1, 1, change(terms))
  const withHub = (change: (hub: Value[]) => Value[]) => fields.toSpliced(3, 1, [change(hubs[0] as Value[])])

  test.each<[string, readonly Value[]]>([
    ['five limits', withTerms((all) => all.toSpliced(2, 1, [1, 1, 1, 1, 1]))],
    ['seven limits', withTerms((all) => all.toSpliced(2, 1, [1, 1, 1, 1, 1, 1, 1]))],
    [
      'limits that are bytes',
      withTerms((all) =>
        all.toSpliced(
          2,
          1,
          HUB_LIMITS.map(() => Uint8Array.of(1)),
        ),
      ),
    ],
    ['no limits', withTerms((all) => all.toSpliced(2, 1))],
    ['a hub without its age', withHub((hub) => hub.toSpliced(1, 1))],
    ['an age that is bytes', withHub((hub) => hub.toSpliced(1, 1, Uint8Array.of(1)))],
  ])('with %s is none', (_, wrong) => {
    expect(decodeVote(encodeCanonical(fields)).hubs).toHaveLength(2)
    expect(faultOf(() => decodeVote(encodeCanonical(wrong))).code).toBe('encoding-invalid')
  })
})

describe('20,000 hubs of one sender', () => {
  test('that all stand in one block are looked at once each', () => {
    let looked = 0
    const linkAddresses = [{ ip: Uint8Array.of(9, 9, 9, 9), port: 443 }]
    const template = votedHub(1).hub
    const hubs = Array.from({ length: 20_000 }, (_, i) => {
      const id = new Uint8Array(32)
      new DataView(id.buffer).setUint32(0, i)
      const hub = { ...template, id, key: toHex(id), linkAddresses }
      const get = (): string => {
        looked++
        return 'one'
      }
      Object.defineProperty(hub, 'family', { enumerable: true, get })
      return { sequence: 1, provenSince: 20_000 - i, weightKbits: undefined, hub }
    })
    const kept = keepWithinLimits(hubs, { ...NO_LIMITS, hubsPerIpv4Slash24: 4 })
    expect(kept).toHaveLength(4)
    expect(looked).toBeLessThan(20_000 * 4)
  })
})
