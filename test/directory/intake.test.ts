import { describe, expect, test } from '@jest/globals'
import { Intake, type IntakeOptions } from '../../directory/intake.ts'
import { SqliteStore } from '../../directory/sqlite-store.ts'
import { MAX_UNPROVED } from '../../directory/unproved-hubs.ts'
import { type IpAddress, parseIp, parseRange } from '../../shared/base/ip-address.ts'
import { CircuitKeyPair } from '../../shared/crypto/circuit-key.ts'
import { HubKey } from '../../shared/crypto/hub-key.ts'
import {
  type Descriptor,
  MAX_DESCRIPTOR_BYTES,
  MIN_DESCRIPTOR_LIFE_S,
  signDescriptor,
} from '../../shared/map/descriptor.ts'
import { rejectionOf } from '../support/fault-of.ts'
import { flipBit } from '../support/hex.ts'
import { LOW_ORDER_POINTS } from '../support/low-order-points.ts'
import { descriptorOf, NETWORK_ID, NOW_MS, NOW_S } from '../support/map-fixtures.ts'
import { join } from '../support/noble-primitives.ts'

const key = HubKey.generate()
const PER_BLOCK = 8
const ADDRESS = { ip: Uint8Array.of(9, 9, 9, 9), port: 443 }
const ip = (text: string): IpAddress => parseIp(text)!
const sign = (changes: Partial<Descriptor> = {}, by = key): Uint8Array =>
  signDescriptor(descriptorOf(by, changes), by, NETWORK_ID)

function scene(options: Partial<IntakeOptions> = {}) {
  const store = new SqliteStore(':memory:')
  const intake = new Intake(
    {
      networkId: NETWORK_ID,
      addressScope: [],
      maxHubs: 100,
      newHubsPerBlock: PER_BLOCK,
      perMinutePerHub: 1_000,
      perMinutePerSender: 1_000,
      ...options,
    },
    store,
  )
  const take = (signed: Uint8Array, sender = '192.0.2.1', nowMs = NOW_MS) => intake.take(signed, sender, nowMs)
  const codeOf = async (...args: Parameters<typeof take>): Promise<string> => (await rejectionOf(take(...args))).code
  /** Takes it, and the hub is reached. */
  const takeAndReach = async (signed: Uint8Array, sender = '192.0.2.1', nowMs = NOW_MS): Promise<void> => {
    const { descriptor } = await take(signed, sender, nowMs)
    if (await intake.prove(descriptor.hubId, nowMs)) await store.putReached(descriptor.hubId, ADDRESS, NOW_S)
  }
  return { store, intake, take, codeOf, takeAndReach }
}

describe('a directory takes', () => {
  test('a descriptor that is signed, new and sound, and keeps its very bytes', async () => {
    const { store, take, takeAndReach } = scene()
    const signed = sign()
    await takeAndReach(signed)
    expect(await take(signed)).toMatchObject({ isNew: false, descriptor: { sequence: 1 } })
    expect(await store.descriptor(key.publicBytes)).toEqual({
      hubId: key.publicBytes,
      sequence: 1,
      expires: NOW_S + 10_800,
      signed,
    })
  })

  test('the same one again, which changes nothing, but has the hub dialled: perhaps the first one got no answer', async () => {
    const { take, takeAndReach } = scene()
    const { newcomer } = await take(sign())
    expect(await take(sign())).toMatchObject({ isNew: false, isToProbe: true, newcomer })
    expect(await take(sign())).toMatchObject({ isNew: false, isToProbe: false })
    await takeAndReach(sign({ sequence: 2 }))
    expect(await take(sign({ sequence: 2 }), '192.0.2.1', NOW_MS + 60_000)).toMatchObject({
      ...{ isNew: false, isToProbe: true, newcomer: undefined },
    })
  })

  test('one with a larger sequence in place of the one before', async () => {
    const { store, take, takeAndReach } = scene()
    await takeAndReach(sign())
    expect((await take(sign({ sequence: 7, operator: 'other' }))).isNew).toBe(true)
    expect((await store.descriptor(key.publicBytes))?.sequence).toBe(7)
    expect(await store.descriptors(NOW_S)).toHaveLength(1)
  })
})

describe('a hub that was never reached', () => {
  test('counts when it is reached, also if others took its place meanwhile', async () => {
    const { store, intake, take } = scene()
    const { newcomer } = await take(sign())
    await store.unproved.remove(key.publicBytes, 1)
    expect(await intake.prove(key.publicBytes, NOW_MS)).toBe(false)
    expect(await intake.prove(key.publicBytes, NOW_MS, newcomer?.stored)).toBe(true)
    expect((await store.descriptor(key.publicBytes))?.signed).toEqual(newcomer?.stored.signed)
  })

  test('counts by the newest that it announced, and never by one that has expired', async () => {
    const { store, intake, take } = scene()
    const { newcomer } = await take(sign())
    await take(sign({ sequence: 2 }))
    expect(await intake.prove(key.publicBytes, NOW_MS + 10_800_000, newcomer?.stored)).toBe(false)
    await take(sign({ sequence: 3 }))
    expect(await intake.prove(key.publicBytes, NOW_MS, newcomer?.stored)).toBe(true)
    expect((await store.descriptor(key.publicBytes))?.sequence).toBe(3)
    expect(await intake.prove(key.publicBytes, NOW_MS, newcomer?.stored)).toBe(true)
    expect((await store.descriptor(key.publicBytes))?.sequence).toBe(3)
  })

  test('that announces itself anew while it is proved is not forgotten', async () => {
    const { store, intake, take } = scene()
    await take(sign())
    const { unproved } = store
    const { find } = unproved
    unproved.find = async (hubId) => {
      const found = await find.call(unproved, hubId)
      unproved.find = find
      await take(sign({ sequence: 2 }))
      return found
    }
    expect(await intake.prove(key.publicBytes, NOW_MS)).toBe(true)
    expect((await intake.unproved(NOW_MS)).map(({ stored }) => stored.sequence)).toEqual([2])
  })
})

describe('a directory takes no descriptor', () => {
  test('that is not signed by its hub, for this network, in these bytes', async () => {
    const { store, codeOf } = scene()
    expect(await codeOf(flipBit(sign(), 999))).toBe('signature-invalid')
    expect(await codeOf(signDescriptor(descriptorOf(key), key, flipBit(NETWORK_ID, 0)))).toBe('signature-invalid')
    expect(await codeOf(new Uint8Array(0))).toBe('encoding-invalid')
    expect(await codeOf(new Uint8Array(MAX_DESCRIPTOR_BYTES + 1))).toBe('document-too-large')
    expect(await store.descriptors(0)).toEqual([])
  })

  test('with a sequence that is not larger than the last', async () => {
    const { take, codeOf } = scene()
    await take(sign({ sequence: 5 }))
    expect(await codeOf(sign({ sequence: 4 }))).toBe('descriptor-older')
    expect(await codeOf(sign({ sequence: 5, operator: 'other' }))).toBe('descriptor-older')
  })

  test('with a sequence that is not larger than the last, also when that one has expired', async () => {
    const { take, codeOf } = scene()
    await take(sign({ sequence: 5 }))
    const later = { published: NOW_S + 20_000, expires: NOW_S + 30_000 }
    expect(await codeOf(sign({ sequence: 5, ...later }), '192.0.2.1', NOW_MS + 20_000_000)).toBe('descriptor-older')
  })

  test.each([
    ['ten minutes and a second old', { published: NOW_S - 601 }],
    ['ten minutes and a second ahead', { published: NOW_S + 601 }],
    ['expired', { published: NOW_S - 500, expires: NOW_S }],
  ])('that is %s', async (_, changes) => {
    const { take, codeOf } = scene()
    expect(await codeOf(sign(changes))).toBe('descriptor-invalid')
    for (const published of [NOW_S - 600, NOW_S + 600]) {
      await take(sign({ published, sequence: published }))
    }
    expect((await take(sign({ published: NOW_S - 500, expires: NOW_S + 1, sequence: NOW_S * 2 }))).isNew).toBe(true)
  })

  test('with one address for links over TLS and over noise', async () => {
    const { codeOf, take } = scene()
    const address = { ip: ip('9.9.9.9'), port: 443 }
    expect(await codeOf(sign({ linkAddresses: [address], noiseAddresses: [address] }))).toBe('descriptor-invalid')
    await take(sign({ linkAddresses: [address], noiseAddresses: [{ ...address, port: 4001 }] }))
  })

  test.each([
    '10.0.0.1',
    '127.0.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    '::1',
    'fd00::1',
    '2001:db8::1',
    '198.18.0.1',
  ])('with the address %s, which is not public, of either kind', async (text) => {
    const { codeOf } = scene()
    const good = { ip: ip('9.9.9.9'), port: 443 }
    const hidden = { ip: ip(text), port: 443 }
    expect(await codeOf(sign({ linkAddresses: [good, hidden] }))).toBe('descriptor-invalid')
    expect(await codeOf(sign({ noiseAddresses: [hidden] }))).toBe('descriptor-invalid')
    const mapped = { ip: join(new Uint8Array(10), [0xff, 0xff], ip('9.9.9.9')), port: 443 }
    expect(await codeOf(sign({ linkAddresses: [mapped] }))).toBe('descriptor-invalid')
  })

  test('with other addresses than public ones, except those that its test network counts as such', async () => {
    const { take, codeOf } = scene({ addressScope: [parseRange('198.18.0.0/15')!] })
    expect((await take(sign({ linkAddresses: [{ ip: ip('198.19.0.1'), port: 443 }] }))).isNew).toBe(true)
    expect(await codeOf(sign({ sequence: 2, linkAddresses: [{ ip: ip('10.0.0.1'), port: 443 }] }))).toBe(
      'descriptor-invalid',
    )
  })

  test('with a circuit key to which nobody can build, or a client that tried would be stopped by it', async () => {
    const { codeOf, take } = scene()
    const good = CircuitKeyPair.generate().publicBytes
    const noPoint = LOW_ORDER_POINTS.map((point) => join(point, good.subarray(32)))
    const noKem = join(good.subarray(0, 32), new Uint8Array(1184).fill(0xff))
    for (const circuitKey of [...noPoint, noKem]) expect(await codeOf(sign({ circuitKey }))).toBe('descriptor-invalid')
    expect((await take(sign({ circuitKey: good }))).isNew).toBe(true)
  })

  test('of a hub too many; those that are in it may still renew', async () => {
    const { take, codeOf, takeAndReach } = scene({ maxHubs: 2 })
    const [a, b, c] = [HubKey.generate(), HubKey.generate(), HubKey.generate()]
    await takeAndReach(sign({}, a))
    await takeAndReach(sign({}, b))
    expect(await codeOf(sign({}, c))).toBe('limit-reached')
    expect((await take(sign({ sequence: 2 }, a))).isNew).toBe(true)
  })

  test('of a hub too many, also if that one was there before and expired', async () => {
    const { take, codeOf, takeAndReach } = scene({ maxHubs: 1 })
    const [a, b] = [HubKey.generate(), HubKey.generate()]
    await takeAndReach(sign({ expires: NOW_S + 300 }, a))
    expect(await codeOf(sign({}, b))).toBe('limit-reached')
    const later = { published: NOW_S + 400, expires: NOW_S + 5_000, sequence: 2 }
    await takeAndReach(sign(later, b), '192.0.2.1', NOW_MS + 400_000)
    expect(await codeOf(sign(later, a), '192.0.2.1', NOW_MS + 400_000)).toBe('limit-reached')
    expect((await take(sign({ ...later, sequence: 3 }, b), '192.0.2.1', NOW_MS + 400_000)).isNew).toBe(true)
  })

  test.each([
    [MIN_DESCRIPTOR_LIFE_S, undefined],
    [MIN_DESCRIPTOR_LIFE_S - 1, 'descriptor-invalid'],
    [2, 'descriptor-invalid'],
  ])('that lives for %i s: %s', async (life, expected) => {
    const { take, codeOf } = scene()
    const signed = sign({ expires: NOW_S + life })
    expect(expected === undefined ? (await take(signed)).isNew : await codeOf(signed)).toBe(expected ?? true)
  })
})

describe('hubs that were never reached', () => {
  const fake = (changes: Partial<Descriptor> = {}): Uint8Array => sign(changes, HubKey.generate())

  test('are never in the database: no flood of them fills it', async () => {
    const { store, intake, take, codeOf } = scene()
    let taken = 0
    for (let i = 0; i < 300; i++) {
      const sender = `9.9.${i >> 6}.${i & 63}`
      if (i % 64 < PER_BLOCK) taken += Number((await take(fake(), sender)).isNew)
      else expect(await codeOf(fake(), sender)).toBe('limit-reached')
    }
    expect([await store.rowCount(), taken, (await intake.unproved(NOW_MS)).length]).toEqual([0, 5 * PER_BLOCK, taken])
  })

  test('are few from one block of senders, and do not keep out those of others', async () => {
    const { take, codeOf } = scene()
    for (let i = 0; i < PER_BLOCK; i++) expect((await take(fake(), `192.0.2.${i}`)).isNew).toBe(true)
    expect(await codeOf(fake(), '192.0.2.200')).toBe('limit-reached')
    expect((await take(fake(), '192.0.3.1')).isNew).toBe(true)
    for (let i = 0; i < PER_BLOCK; i++) await take(fake(), `2001:db8:1:${i}::1`)
    expect(await codeOf(fake(), '2001:db8:1:ffff::1')).toBe('limit-reached')
    expect((await take(fake(), '2001:db8:2::1')).isNew).toBe(true)
  })

  test('give room as soon as they are reached, or after minutes', async () => {
    const { take, codeOf, takeAndReach } = scene()
    for (let i = 0; i < 3 * PER_BLOCK; i++) await takeAndReach(fake())
    for (let i = 0; i < PER_BLOCK; i++) await take(fake())
    const later = { published: NOW_S + 900 }
    expect(await codeOf(fake({ published: NOW_S + 899 }), '192.0.2.1', NOW_MS + 899_000)).toBe('limit-reached')
    expect((await take(fake(later), '192.0.2.1', NOW_MS + 900_000)).isNew).toBe(true)
  })

  test('are few in all: where there is no room the block with the most gives some, never a new hub', async () => {
    const { intake, take, takeAndReach } = scene({ maxHubs: 20_000 })
    const crowd = `203.0.113.1`
    const first = fake()
    await take(first, crowd)
    for (let i = 1; i < PER_BLOCK; i++) await take(fake(), crowd)
    for (let i = PER_BLOCK; i < MAX_UNPROVED; i++) await take(fake(), `9.${i >> 8}.${i & 255}.1`)
    expect(await intake.unproved(NOW_MS)).toHaveLength(MAX_UNPROVED)
    const honest = fake()
    await takeAndReach(honest, '8.8.8.8')
    expect(await intake.unproved(NOW_MS)).toHaveLength(MAX_UNPROVED - 1)
    expect((await intake.unproved(NOW_MS)).map(({ stored }) => stored.signed)).not.toContain(first)
    expect((await take(honest, '8.8.8.8')).isNew).toBe(false)
  })

  test('do not keep out a hub that is there and renews', async () => {
    const { take, takeAndReach } = scene()
    await takeAndReach(sign())
    for (let i = 0; i < PER_BLOCK; i++) await take(fake())
    expect((await take(sign({ sequence: 2 }))).isNew).toBe(true)
  })
})

describe('the rate of a directory', () => {
  test('holds for each hub, from wherever it sends, and fills up again', async () => {
    const { take, codeOf } = scene({ perMinutePerHub: 3 })
    for (const sequence of [1, 2, 3]) await take(sign({ sequence }), `192.0.2.${sequence}`)
    expect(await codeOf(sign({ sequence: 4 }), '192.0.2.9')).toBe('descriptor-rate')
    expect((await take(sign({}, HubKey.generate()), '192.0.2.9')).isNew).toBe(true)
    expect((await take(sign({ sequence: 4 }), '192.0.2.9', NOW_MS + 20_000)).isNew).toBe(true)
  })

  test('of a hub is not used up by others who repeat what it said before', async () => {
    const { take, codeOf } = scene({ perMinutePerHub: 3 })
    const old = sign()
    await take(old)
    await take(sign({ sequence: 2 }))
    for (let i = 0; i < 50; i++) expect(await codeOf(old)).toBe('descriptor-older')
    for (let i = 0; i < 50; i++) expect((await take(sign({ sequence: 2 }))).isNew).toBe(false)
    expect((await take(sign({ sequence: 3 }))).isNew).toBe(true)
  })

  test('of a hub is not used up by who can not sign for it', async () => {
    const { take, codeOf } = scene({ perMinutePerHub: 1 })
    for (let i = 0; i < 20; i++) expect(await codeOf(flipBit(sign(), 300 + i))).toBe('signature-invalid')
    expect((await take(sign())).isNew).toBe(true)
  })

  test('holds for each sender, good descriptors or bad', async () => {
    const { take, codeOf } = scene({ perMinutePerSender: 3 })
    for (let i = 0; i < 3; i++) expect(await codeOf(new Uint8Array(5))).toBe('encoding-invalid')
    expect(await codeOf(sign())).toBe('descriptor-rate')
    expect((await take(sign(), '192.0.2.2')).isNew).toBe(true)
    expect((await take(sign({ sequence: 2 }), '192.0.2.1', NOW_MS + 20_000)).isNew).toBe(true)
  })

  test('is one for the whole /64 of a sender, who has all addresses in it', async () => {
    const { codeOf } = scene({ perMinutePerSender: 2 })
    expect(await codeOf(new Uint8Array(5), '2001:db8:1:2::1')).toBe('encoding-invalid')
    expect(await codeOf(new Uint8Array(5), '2001:db8:1:2:ffff::9')).toBe('encoding-invalid')
    expect(await codeOf(new Uint8Array(5), '2001:db8:1:2:3:4:5:6')).toBe('descriptor-rate')
    expect(await codeOf(new Uint8Array(5), '2001:db8:1:3::1')).toBe('encoding-invalid')
    expect(await codeOf(new Uint8Array(5), '192.0.2.1')).toBe('encoding-invalid')
  })

  test('goes on when the clock of the directory is set back', async () => {
    const { take } = scene({ perMinutePerSender: 2 })
    await take(sign({ published: NOW_S + 500, expires: NOW_S + 5_000 }), '192.0.2.1', NOW_MS + 500_000)
    expect((await take(sign({ sequence: 2 }), '192.0.2.1', NOW_MS)).isNew).toBe(true)
  })

  test('is remembered for 50,000 senders, of whom the first are forgotten first', async () => {
    const { codeOf } = scene({ perMinutePerSender: 1 })
    const sender = (i: number): string => `9.${i >> 16}.${(i >> 8) & 0xff}.${i & 0xff}`
    for (let i = 0; i < 50_000; i++) await codeOf(new Uint8Array(5), sender(i))
    expect(await codeOf(new Uint8Array(5), sender(0))).toBe('descriptor-rate')
    expect(await codeOf(new Uint8Array(5), sender(50_000))).toBe('encoding-invalid')
    expect(await codeOf(new Uint8Array(5), sender(1))).toBe('descriptor-rate')
    expect(await codeOf(new Uint8Array(5), sender(0))).toBe('encoding-invalid')
  })
})
