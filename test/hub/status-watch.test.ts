import { beforeEach, describe, expect, test } from '@jest/globals'
import { isNews, StatusWatch } from '../../hub/status-watch.ts'
import type { LinkHandle } from '../../shared/link/link-node.ts'
import { MAX_LINK_REPORTS, NO_STATUS } from '../../shared/map/hub-status.ts'
import { seededRandom } from '../support/seeded-random.ts'

const idOf = (n: number): Uint8Array => new Uint8Array(32).fill(n)
/** 80 Mbit/s: ten million bytes a second. */
const CAPACITY_KBITS = 80_000

interface FakeLink {
  readonly peerKey: Uint8Array
  readonly link: { rttMs: number | undefined; usedBytes: number; pings: number; ping(): void }
}

let links: FakeLink[]
let hubs: number
let watch: StatusWatch
beforeEach(() => {
  links = []
  hubs = 100
  watch = new StatusWatch(CAPACITY_KBITS, {
    random: seededRandom('status'),
    links: () => links as unknown as LinkHandle[],
    isHub: ([n]) => (n as number) < hubs,
  })
})

function link(n: number, rttMs?: number): FakeLink {
  const made: FakeLink = {
    peerKey: idOf(n),
    link: { rttMs, usedBytes: 0, pings: 0, ping: () => void made.link.pings++ },
  }
  links.push(made)
  return made
}

describe('what a hub says of its links', () => {
  test('is the shortest round trip of late, in steps, by the ids of the hubs', () => {
    const [slow, quick] = [link(7, 40), link(3, 1)]
    watch.tick(0)
    slow.link.rttMs = 16
    watch.tick(1000)
    slow.link.rttMs = 90
    watch.tick(2000)
    expect(watch.report(3000).links).toEqual([
      { hubId: idOf(3), rttStep: 0 },
      { hubId: idOf(7), rttStep: 8 },
    ])
    quick.link.rttMs = 64
    watch.tick(4000)
    watch.report(5000)
    watch.tick(6000)
    expect(watch.report(7000).links.map(({ rttStep }) => rttStep)).toEqual([12, 13])
  })

  test('is of links to hubs only, and those are pinged', () => {
    const [client, hub] = [link(200, 5), link(1, 5)]
    watch.tick(0)
    watch.ping(0)
    expect(watch.report(1000).links.map(({ hubId }) => hubId[0])).toEqual([1])
    expect([client.link.pings, hub.link.pings]).toEqual([0, 1])
  })

  test('ends with the link, and with the place of the hub in the map', () => {
    link(1, 5)
    link(99, 5)
    watch.tick(0)
    expect(watch.report(1000).links).toHaveLength(2)
    hubs = 50
    expect(watch.report(2000).links.map(({ hubId }) => hubId[0])).toEqual([1])
    links = []
    watch.tick(3000)
    expect(watch.report(4000).links).toEqual([])
  })

  test('has a cap, and nothing of a link without an answer', () => {
    for (let n = 0; n < 100; n++) link(n, n === 50 ? undefined : 5)
    watch.tick(0)
    const { links: said } = watch.report(1000)
    expect(said).toHaveLength(MAX_LINK_REPORTS)
    expect(said.map(({ hubId }) => hubId[0])).not.toContain(50)
    const ids = said.map(({ hubId }) => hubId[0] as number)
    expect(ids).toEqual(ids.toSorted((a, b) => a - b))
  })

  test('trembles not: it is news only when it moves by most of a step', () => {
    const one = link(1)
    let now = 0
    const after = (rttMs: number): number | undefined => {
      one.link.rttMs = rttMs
      for (let reports = 0; reports < 2; reports++) {
        watch.tick(++now)
        if (reports === 0) watch.report(++now)
      }
      return watch.report(++now).links[0]?.rttStep
    }
    expect([16, 20, 21.5, 17, 12.5, 12].map(after)).toEqual([8, 8, 9, 8, 8, 7])
  })

  test('is news if anything of it is new', () => {
    link(1, 16)
    watch.tick(0)
    const first = watch.report(1000)
    expect(isNews(first, NO_STATUS)).toBe(true)
    expect(isNews(first, { ...first })).toBe(false)
    expect(isNews({ ...first, loadClass: 1 }, first)).toBe(true)
    expect(isNews({ ...first, links: [{ hubId: idOf(2), rttStep: 8 }] }, first)).toBe(true)
  })
})

describe('what a hub says of its load', () => {
  /** Carries so many bytes, in and out together, in ten seconds. */
  const carry = (bytes: number): number => {
    const client = links[0] ?? link(200)
    client.link.usedBytes += bytes
    watch.tick(0)
    const { loadClass } = watch.report(at + 10_000)
    at += 10_000
    return loadClass
  }
  let at = 0
  beforeEach(() => {
    at = 0
    watch.tick(0)
  })

  test.each([
    [0, 0],
    [40_000_000, 0],
    [70_000_000, 1],
    [110_000_000, 2],
    [170_000_000, 3],
    [900_000_000, 3],
  ])('when %d bytes were passed on by a line of 100 million: %d quarters', (bytes, loadClass) => {
    expect(carry(bytes)).toBe(loadClass)
  })

  test('stays while it is near, and is of the time since the last report', () => {
    expect(carry(70_000_000)).toBe(1)
    expect(carry(44_000_000)).toBe(1)
    expect(carry(104_000_000)).toBe(1)
    expect(carry(20_000_000)).toBe(0)
    expect(carry(52_000_000)).toBe(0)
  })
})
