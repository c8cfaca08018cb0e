import { beforeEach, describe, expect, test } from '@jest/globals'
import { CIRCUITS_BEFORE_ANOTHER, MAX_LINKS, MAX_WARM_NEIGHBOURS, Neighbours } from '../../hub/neighbours.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { LinkHandle } from '../../shared/link/link-node.ts'
import { sortHubs } from '../../shared/map/hub-map.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import type { HubMap } from '../../shared/map/signed-map.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { linkSide } from '../support/link-pair.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { mapHubOf, mapOf, networkWith, verifiedMap } from '../support/map-fixtures.ts'

const idOf = (fill: number): Uint8Array => new Uint8Array(32).fill(fill)
const { network, keys } = networkWith(1, 1)

function mapWith(fills: readonly number[]): HubMap {
  const hubs = sortHubs(
    fills.map((fill) => mapHubOf(idOf(fill), { linkAddresses: [{ ip: Uint8Array.of(9, 9, 9, fill), port: 443 }] })),
  )
  return verifiedMap(mapOf({ hubs }), network, keys)
}

/** Links that are dialled when the test says so. */
class Dialler {
  readonly dialled: number[] = []
  readonly pending = new Map<number, PromiseWithResolvers<LinkHandle>>()
  readonly links = new Map<number, LinkHandle[]>()

  readonly ports: number[] = []

  readonly dial = (id: Uint8Array, addresses: readonly LinkAddress[]): Promise<LinkHandle> => {
    const fill = id[0] as number
    this.dialled.push(fill)
    this.ports.push(...addresses.map(({ port }) => port))
    const pending = Promise.withResolvers<LinkHandle>()
    this.pending.set(fill, pending)
    return pending.promise
  }

  readonly linksTo = (id: Uint8Array): readonly LinkHandle[] => this.links.get(id[0] as number) ?? []

  up(fill: number): LinkHandle {
    const handle = { link: linkSide().link } as LinkHandle
    this.links.set(fill, [handle, ...(this.links.get(fill) ?? [])])
    this.pending.get(fill)?.resolve(handle)
    return handle
  }

  down(fill: number): void {
    this.pending.get(fill)?.reject(new Fault('next-unreachable'))
  }
}

let clock: ManualClock
let dialler: Dialler
let neighbours: Neighbours

beforeEach(() => {
  clock = new ManualClock()
  dialler = new Dialler()
  neighbours = new Neighbours(idOf(50), { clock, transport: 'tls', ...dialler })
})

describe('the neighbours of a hub', () => {
  test('are the hubs of the last two maps, without itself', () => {
    expect(neighbours.isHub(idOf(1))).toBe(false)
    neighbours.useMaps(mapWith([1, 2, 50]), undefined)
    neighbours.useMaps(mapWith([2, 3, 50]), mapWith([1, 2, 50]))
    expect([1, 2, 3, 4, 50].map((fill) => neighbours.isHub(idOf(fill)))).toEqual([true, true, true, false, false])
    neighbours.useMaps(mapWith([3, 4]), mapWith([2, 3]))
    expect(neighbours.isHub(idOf(1))).toBe(false)
  })

  test('have addresses that no exit may connect to, its own too', () => {
    neighbours.useMaps(mapWith([2, 50]), mapWith([1]))
    expect([...neighbours.addresses()].map(({ ip }) => ip[3]).sort()).toEqual([1, 2, 50])
    const noiseAddresses = [{ ip: Uint8Array.of(9, 9, 9, 77), port: 1 }]
    neighbours.useMaps(verifiedMap(mapOf({ hubs: [mapHubOf(idOf(2), { noiseAddresses })] }), network, keys), undefined)
    expect([...neighbours.addresses()].map(({ ip }) => ip[3])).toContain(77)
  })

  test.each(['tls', 'noise'] as const)(
    'are dialled over %s if that is set, and over nothing else',
    async (transport) => {
      const both = mapHubOf(idOf(60), { noiseAddresses: [{ ip: Uint8Array.of(9, 9, 9, 60), port: 4001 }] })
      const withoutNoise = mapHubOf(idOf(70))
      neighbours = new Neighbours(idOf(50), { clock, transport, ...dialler })
      neighbours.useMaps(verifiedMap(mapOf({ hubs: [both, withoutNoise] }), network, keys), undefined)
      expect(dialler.dialled.toSorted()).toEqual(transport === 'tls' ? [60, 70] : [60])
      expect(dialler.ports.toSorted()).toEqual(transport === 'tls' ? [443, 443] : [4001])
      const circuit = neighbours.openCircuitTo(idOf(70))
      dialler.down(70)
      expect((await rejectionOf(circuit)).code).toBe('next-unreachable')
    },
  )

  test('that are not in the map are never dialled', async () => {
    neighbours.useMaps(mapWith([60]), undefined)
    for (const fill of [1, 50]) {
      expect((await rejectionOf(neighbours.openCircuitTo(idOf(fill)))).code).toBe('next-unknown')
    }
    expect(dialler.dialled).toEqual([60])
  })

  test('are dialled once, however many circuits want to go there', async () => {
    neighbours.useMaps(mapWith([1]), undefined)
    const circuits = [1, 2, 3].map(() => neighbours.openCircuitTo(idOf(1)))
    expect(dialler.dialled).toEqual([1])
    dialler.up(1)
    expect((await Promise.all(circuits)).map(({ id }) => id)).toEqual([1, 3, 5])
    expect((await neighbours.openCircuitTo(idOf(1))).id).toBe(7)
    expect(dialler.dialled).toEqual([1])
  })

  test.each([
    ['refused at once', 'half a second', 0, 500],
    ['failed in two seconds', 'as long', 2_000, 2_000],
    ['did not answer', '5 seconds', 8_000, 5_000],
  ])('that %s are left alone for %s, and refused at once meanwhile', async (_, __, tookMs, restMs) => {
    neighbours.useMaps(mapWith([1]), undefined)
    const circuits = [1, 2].map(() => rejectionOf(neighbours.openCircuitTo(idOf(1))))
    clock.advance(tookMs)
    dialler.down(1)
    expect((await Promise.all(circuits)).map(({ code }) => code)).toEqual(['next-unreachable', 'next-unreachable'])
    clock.advance(restMs - 1)
    expect((await rejectionOf(neighbours.openCircuitTo(idOf(1)))).code).toBe('next-unreachable')
    expect(dialler.dialled).toEqual([1])
    clock.advance(1)
    const circuit = neighbours.openCircuitTo(idOf(1))
    dialler.up(1)
    expect((await circuit).id).toBe(1)
  })

  test('whose link ends before the circuit is there refuse it, and nothing else', async () => {
    neighbours.useMaps(mapWith([1]), undefined)
    const circuit = rejectionOf(neighbours.openCircuitTo(idOf(1)))
    dialler.up(1).link.fail(new Fault('link-closed'))
    expect((await circuit).code).toBe('link-closed')
  })

  test('are kept warm: the one with the smaller id dials, four at a time', async () => {
    neighbours.useMaps(mapWith([10, 20, 50, 60, 61, 62, 63, 64, 65]), undefined)
    expect(dialler.dialled).toHaveLength(4)
    for (const fill of dialler.dialled.slice(0, 2)) dialler.up(fill)
    dialler.down(dialler.dialled[2] as number)
    await new Promise((resolve) => setImmediate(resolve))
    expect(dialler.dialled.toSorted()).toEqual([60, 61, 62, 63, 64, 65])
  })

  test('that are linked already are not dialled again by the next map', () => {
    dialler.up(60)
    neighbours.useMaps(mapWith([60, 61]), undefined)
    expect(dialler.dialled).toEqual([61])
  })

  test.each([
    ['at the cap', MAX_WARM_NEIGHBOURS, 4],
    ['one past it', MAX_WARM_NEIGHBOURS + 1, 0],
  ])('are kept warm up to a number: %s', (_what, count, dialled) => {
    neighbours.useMaps(mapWith(Array.from({ length: count }, (_, i) => 100 + i)), undefined)
    expect(dialler.dialled).toHaveLength(dialled)
  })

  test('get a second link when the first has many circuits, and no more than four', async () => {
    neighbours.useMaps(mapWith([2]), undefined)
    const fill = async (): Promise<void> => {
      for (let i = 0; i < CIRCUITS_BEFORE_ANOTHER; i++) await neighbours.openCircuitTo(idOf(2))
    }
    const first = neighbours.openCircuitTo(idOf(2))
    dialler.up(2)
    await first
    for (let i = 1; i < CIRCUITS_BEFORE_ANOTHER; i++) await neighbours.openCircuitTo(idOf(2))
    expect(dialler.dialled).toEqual([2])
    await neighbours.openCircuitTo(idOf(2)) // the first one past it does not wait for the new link
    expect(dialler.dialled).toEqual([2, 2])
    for (let links = 2; links <= MAX_LINKS; links++) {
      dialler.up(2)
      await fill()
      await neighbours.openCircuitTo(idOf(2))
    }
    expect(dialler.dialled).toHaveLength(MAX_LINKS)
  })

  test('are not dialled any more when the hub closes', async () => {
    const signals: AbortSignal[] = []
    neighbours = new Neighbours(idOf(50), {
      ...{ clock, transport: 'tls', linksTo: () => [] },
      dial: (_id, _addresses, signal) => {
        signals.push(signal)
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    })
    neighbours.useMaps(mapWith([60, 61, 62, 63, 64, 65, 66]), undefined)
    neighbours.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect([signals.length, signals.every(({ aborted }) => aborted)]).toEqual([4, true])
  })

  test('have keys that are told apart to the last byte', () => {
    const near = idOf(1)
    near[31] = 2
    neighbours.useMaps(mapWith([1]), undefined)
    expect([neighbours.isHub(idOf(1)), neighbours.isHub(near), toHex(near).length]).toEqual([true, false, 64])
  })
})
