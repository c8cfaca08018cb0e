import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { NEW_PROBES_AT_ONCE, type ProbeResult, Prober, TARGET_PROBES_AT_ONCE } from '../../directory/prober.ts'
import type { UnprovedHub } from '../../directory/unproved-hubs.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import type { LinkNode } from '../../shared/link/link-node.ts'
import type { Descriptor } from '../../shared/map/descriptor.ts'
import type { LinkAddress, LinkTransport } from '../../shared/map/link-address.ts'
import { descriptorOf } from '../support/map-fixtures.ts'

const address = (last: number): LinkAddress => ({ ip: Uint8Array.of(9, 9, 9, last), port: 443 })

/** A node that reaches a hub by the addresses that are true, and has the link until it hangs up, as real nodes have. */
class FakeNode {
  readonly dials: string[] = []
  readonly transports: LinkTransport[] = []
  readonly trueAddresses = new Set<number>()
  /** Addresses that are not true do not even refuse. */
  silent = false
  /** Nobody answers before this. */
  opened: Promise<void> = Promise.resolve()
  atOnce = 0
  mostAtOnce = 0
  readonly #linked = new Set<string>()

  async dialAnother(
    hubId: Uint8Array,
    [to]: readonly LinkAddress[],
    signal: AbortSignal,
    transport: LinkTransport,
  ): Promise<void> {
    const hub = toHex(hubId)
    this.dials.push(`${hub.slice(0, 4)} ${to!.ip[3]}`)
    this.transports.push(transport)
    if (this.#linked.has(hub)) return
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
    await new Promise((resolve) => setImmediate(resolve))
    await this.opened
    this.atOnce--
    if (this.silent && !this.trueAddresses.has(to!.ip[3] as number)) await once(signal, 'abort')
    signal.throwIfAborted()
    if (!this.trueAddresses.has(to!.ip[3] as number)) throw new Error('not reached')
    this.#linked.add(hub)
    await turns(5)
  }

  async hangUp(hubId: Uint8Array): Promise<void> {
    await Promise.resolve()
    this.#linked.delete(toHex(hubId))
  }
}

function scene(...trueAddresses: number[]) {
  const node = new FakeNode()
  for (const last of trueAddresses) node.trueAddresses.add(last)
  const results: ProbeResult[] = []
  /** Of the results, those that can not be written down. */
  const lost = new Set<number>()
  const prober = new Prober(
    node as unknown as LinkNode,
    {
      onResult: async (result) => {
        return !lost.has(results.push(result))
      },
    },
    async () => undefined,
  )
  const found = (): string[] => results.map(({ address: { ip }, reached }) => `${ip[3]} ${reached}`)
  return { node, results, lost, prober, found }
}

function hub(...addresses: number[]): Descriptor {
  return descriptorOf(HubKey.generate(), { linkAddresses: addresses.map(address) })
}

/** A hub that was never reached, announced from there. */
function from(block: string): UnprovedHub {
  return { block, stored: { hubId: new Uint8Array(32), sequence: 1, expires: 2, signed: new Uint8Array(0) } }
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

const settle = (): Promise<void> => turns(500)

describe('a prober', () => {
  test('tells of every address of a hub whether it was reached there', async () => {
    const { prober, results, found } = scene(1, 3)
    const one = hub(1, 2, 3)
    prober.add(one)
    await settle()
    expect(found()).toEqual(['1 true', '2 false', '3 true'])
    expect(results.map(({ hubId }) => hubId)).toEqual([one.hubId, one.hubId, one.hubId])
  })

  test('dials each address over the transport that it is for', async () => {
    const { prober, node, found } = scene(1, 4)
    prober.add(
      descriptorOf(HubKey.generate(), { linkAddresses: [address(1)], noiseAddresses: [address(4), address(5)] }),
    )
    await settle()
    expect(node.transports).toEqual(['tls', 'noise', 'noise'])
    expect(found()).toEqual(['1 true', '4 true', '5 false'])
  })

  test.each([1, 2, 3, 5, 8, 13])(
    'never takes the link to one address of a hub for another of it, asked again after %i turns',
    async (after) => {
      const { prober, found } = scene(1)
      const one = hub(1, 2, 1, 2)
      prober.add(one)
      await turns(after)
      prober.add(one)
      await settle()
      const result = ['1 true', '2 false', '1 true', '2 false']
      expect(found()).toEqual([...result, ...result])
    },
  )

  test('probes a hub once that is named often while it waits', async () => {
    const { prober, node } = scene(1)
    const hubs = Array.from({ length: 20 }, () => hub(1))
    for (let i = 0; i < 3; i++) for (const one of hubs) prober.add(one)
    await settle()
    expect(node.dials.length).toBeGreaterThanOrEqual(20)
    expect(node.dials.length).toBeLessThanOrEqual(40)
  })

  test('uses the newest descriptor of a hub that waits', async () => {
    const { prober, found } = scene(7)
    const key = HubKey.generate()
    for (let i = 0; i < 16; i++) prober.add(hub(100 + i))
    prober.add(descriptorOf(key, { linkAddresses: [address(6)] }))
    prober.add(descriptorOf(key, { linkAddresses: [address(7)] }))
    await settle()
    expect(found()).toContain('7 true')
    expect(found().some((result) => result.startsWith('6'))).toBe(false)
  })

  test('probes sixteen hubs at once and not one more', async () => {
    const { prober, node, results } = scene(1)
    for (let i = 0; i < 50; i++) prober.add(hub(i))
    await settle()
    expect([node.mostAtOnce, results.length]).toEqual([16, 50])
  })

  test('does not keep a new hub waiting behind many of another sender that are silent', async () => {
    const { prober, node, found } = scene(200)
    node.silent = true
    for (let i = 0; i < 100; i++) prober.add(hub(i, i, i, i), from('evil'))
    await turns(5)
    expect(node.dials).toHaveLength(NEW_PROBES_AT_ONCE)
    prober.add(hub(200), from('honest'))
    prober.add(hub(200))
    await turns(20)
    expect(found()).toEqual(['200 true', '200 true'])
    expect(node.dials).toHaveLength(NEW_PROBES_AT_ONCE + 2)
    prober.close()
  })

  test('dials no address for many hubs at once that name it, whoever announced them', async () => {
    const { prober, node, results } = scene()
    for (let i = 0; i < 50; i++) prober.add(hub(9), from(`sender ${i}`))
    await settle()
    expect([node.mostAtOnce, results.length]).toEqual([TARGET_PROBES_AT_ONCE, 50])
    prober.close()
  })

  test('counts noise addresses among those that are named', async () => {
    const { prober, node } = scene()
    const overNoise = (): Descriptor =>
      descriptorOf(HubKey.generate(), { linkAddresses: [], noiseAddresses: [address(9)] })
    for (let i = 0; i < 50; i++) prober.add(i % 2 === 0 ? hub(9) : overNoise())
    await settle()
    expect([node.mostAtOnce, node.dials.length]).toEqual([TARGET_PROBES_AT_ONCE, 50])
  })

  describe('that found nobody where a newcomer should be', () => {
    beforeEach(() => {
      jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance'] })
    })
    afterEach(() => {
      jest.useRealTimers()
    })

    test('looks again after 10, 30 and 90 s, and then no more', async () => {
      const { prober, found } = scene()
      prober.add(hub(1), from('somebody'))
      const counts: number[] = []
      for (const ms of [0, 9_999, 1, 29_999, 1, 89_999, 1, 1_000_000]) {
        jest.advanceTimersByTime(ms)
        await settle()
        counts.push(found().length)
      }
      expect(counts).toEqual([1, 1, 2, 2, 3, 3, 4, 4])
    })

    test('tells of it when it is there the second time, with what was announced', async () => {
      const { prober, node, results, found } = scene()
      const newcomer = from('somebody')
      prober.add(hub(1), newcomer)
      await settle()
      node.trueAddresses.add(1)
      jest.advanceTimersByTime(10_000)
      await settle()
      jest.advanceTimersByTime(1_000_000)
      await settle()
      expect(found()).toEqual(['1 false', '1 true'])
      expect(results[1]?.newcomer).toBe(newcomer)
    })

    test('does not look again for a hub that was reached before, or once it was closed', async () => {
      const { prober, found } = scene()
      prober.add(hub(1))
      prober.add(hub(2), from('somebody'))
      await settle()
      prober.close()
      jest.advanceTimersByTime(1_000_000)
      await settle()
      expect(found().toSorted()).toEqual(['1 false', '2 false'])
    })

    test('or could not write down what it found, looks again, also for a hub that was reached before', async () => {
      const { prober, lost, found } = scene(1)
      lost.add(1)
      prober.add(hub(1))
      await settle()
      jest.advanceTimersByTime(10_000)
      await settle()
      jest.advanceTimersByTime(1_000_000)
      await settle()
      expect(found()).toEqual(['1 true', '1 true'])
    })

    test('does not look again where the hub was before, once it announced another address', async () => {
      const { prober, found } = scene(2)
      const key = HubKey.generate()
      prober.add(descriptorOf(key, { linkAddresses: [address(1)] }), from('somebody'))
      await settle()
      prober.add(descriptorOf(key, { linkAddresses: [address(2)] }), from('somebody'))
      await settle()
      jest.advanceTimersByTime(1_000_000)
      await settle()
      expect(found()).toEqual(['1 false', '2 true'])
    })

    test('waits for nothing any more when it is closed while that is written down', async () => {
      const gate = Promise.withResolvers<boolean>()
      const { node } = scene(1)
      const sink = { onResult: () => gate.promise }
      const prober = new Prober(node as unknown as LinkNode, sink, async () => undefined)
      prober.add(hub(1))
      await settle()
      prober.close()
      // That for its one dial goes on by itself.
      const before = jest.getTimerCount()
      gate.resolve(false)
      await settle()
      expect(jest.getTimerCount()).toBe(before)
    })

    test('takes those that come first before it', async () => {
      const { prober, node } = scene()
      const again = hub(1)
      prober.add(again, from('somebody'))
      await settle()
      const gate = Promise.withResolvers<void>()
      node.opened = gate.promise
      for (let i = 0; i < 16; i++) prober.add(hub(100 + i))
      jest.advanceTimersByTime(10_000)
      prober.add(hub(50))
      await turns(5)
      expect(node.dials).toHaveLength(17)
      gate.resolve()
      await settle()
      const names = node.dials.map((dial) => dial.split(' ')[1])
      expect(names.filter((name) => name === '1')).toHaveLength(2)
      expect(names.lastIndexOf('1')).toBeGreaterThan(names.indexOf('50'))
    })
  })

  test('tells nothing any more once it was closed', async () => {
    const { prober, node, results } = scene(1)
    for (let i = 0; i < 50; i++) prober.add(hub(i, 100 + i))
    prober.close()
    prober.add(hub(1))
    await settle()
    expect(results).toEqual([])
    expect(node.dials).toHaveLength(16)
  })
})
