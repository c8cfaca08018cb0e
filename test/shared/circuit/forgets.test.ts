import { afterEach, describe, expect, jest, test } from '@jest/globals'
import { MemoryNetwork } from '../../support/memory-network.ts'

/*
 * Secrets as both ends of a circuit derive them: buffers of HKDF, of which the parts are views.
 *
 *     early (112)   create key | early key | chain | replay tag (16)
 *     full (160)    forward key | forward ratchet | backward key | backward ratchet | confirm
 */
const EARLY_BYTES = 112
const FULL_BYTES = 160

afterEach(() => {
  jest.restoreAllMocks()
})

interface Secrets {
  readonly early: () => Uint8Array[]
  readonly full: () => Uint8Array[]
  /** Copies of the ratchets, which layers keep. */
  readonly ratchets: Uint8Array[]
}

/** All such buffers that are made from now on. */
function watchSecrets(): Secrets {
  const seen = new Set<Uint8Array>()
  const ratchets: Uint8Array[] = []
  const { subarray, slice } = Uint8Array.prototype
  jest.spyOn(Uint8Array.prototype, 'subarray').mockImplementation(function (this: Uint8Array, ...range) {
    if ([EARLY_BYTES, FULL_BYTES].includes(this.length)) seen.add(this)
    return subarray.apply(this, range)
  })
  jest.spyOn(Uint8Array.prototype, 'slice').mockImplementation(function (this: Uint8Array, ...range) {
    const copy = slice.apply(this, range)
    if (this.length === FULL_BYTES) ratchets.push(copy)
    return copy
  })
  const ofLength = (length: number) => () => [...seen].filter((one) => one.length === length)
  return { early: ofLength(EARLY_BYTES), full: ofLength(FULL_BYTES), ratchets }
}

const isZeros = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)

/** Which parts of 32 bytes are not zeros. */
const kept = (secrets: Uint8Array): number[] =>
  [0, 1, 2, 3, 4].filter((part) => !isZeros(secrets.subarray(part * 32, part * 32 + 32)))

const REPLAY_TAG = [3]

describe.each([1, 3])('a circuit of %i hops', (hops) => {
  const path = ['a', 'b', 'c'].slice(0, hops)

  test('keeps of its handshake the ratchets and nothing else, and at its end nothing at all', async () => {
    const network = new MemoryNetwork(path)
    const secrets = watchSecrets()
    const client = network.open('client', path)
    await network.run()
    expect(client.events).toEqual(['opened 4'])
    expect(secrets.full().map(kept)).toEqual(Array(2 * hops).fill([]))
    expect(secrets.ratchets.map(isZeros)).toEqual(Array(4 * hops).fill(false))
    for (const early of secrets.early()) expect([[], REPLAY_TAG]).toContainEqual(kept(early))
    expect(secrets.early().length).toBeGreaterThanOrEqual(2 * hops)
    client.circuit.reset()
    await network.run()
    expect(secrets.ratchets.map(isZeros)).toEqual(Array(4 * hops).fill(true))
  })

  test('that is refused keeps nothing', async () => {
    const network = new MemoryNetwork(path)
    network.hub(path.at(-1) as string).service.drain()
    const secrets = watchSecrets()
    const client = network.open('client', path)
    await network.run()
    expect(client.events).toEqual(['closed hub-draining'])
    expect(secrets.full().map(kept)).toEqual(Array(2 * hops).fill([]))
    expect(secrets.ratchets.filter((ratchet) => !isZeros(ratchet))).toEqual([])
    for (const early of secrets.early()) expect([[], REPLAY_TAG]).toContainEqual(kept(early))
  })

  test('whose answer was changed keeps nothing', async () => {
    const network = new MemoryNetwork(path)
    const secrets = watchSecrets()
    network.tamper = (header, frame, _from, to) => {
      if (to === 'client' && header.type === 4) frame[50] = (frame[50] as number) ^ 1
      return [frame]
    }
    const client = network.open('client', path)
    await network.run()
    expect(client.closed).toBe(true)
    expect(secrets.full().flatMap(kept)).toEqual([])
    expect(secrets.ratchets.filter((ratchet) => !isZeros(ratchet))).toEqual([])
    for (const early of secrets.early()) expect([[], REPLAY_TAG]).toContainEqual(kept(early))
  })
})
