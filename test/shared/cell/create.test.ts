import { describe, expect, test } from '@jest/globals'
import { toHex } from '../../../shared/base/bytes.ts'
import { bodyBytesOf, bodyOf, type CellClass, classOfBody } from '../../../shared/cell/cell.ts'
import {
  buildCreate,
  CREATE_SLOT_BYTES,
  type CreateHop,
  createBytes,
  createClass,
  innerCreate,
  OFFER_BYTES,
  type OpenedCreate,
  openCreate,
  possibleHops,
  readOffer,
} from '../../../shared/cell/create.ts'
import type { Target } from '../../../shared/cell/target.ts'
import { CircuitKeyPair, CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { receive } from '../../../shared/crypto/handshake.ts'
import { flipBit, hex } from '../../support/hex.ts'
import { NobleClient, nobleNameTarget, nobleOpenPayload } from '../../support/noble-client.ts'
import { nobleKeyPair, noblePublicKey } from '../../support/noble-handshake.ts'
import { NobleHub } from '../../support/noble-hub.ts'
import { join } from '../../support/noble-primitives.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('create')
const NETWORK = random.bytes(32)
const CLIENT = random.bytes(32)
const BINDING = random.bytes(32)
const NO_BINDING = new Uint8Array(32)
const GRANULE = 0x01020304
const NAME: Target = { kind: 'name', name: 'example.com', port: 443 }

interface TestHub {
  readonly id: Uint8Array
  readonly pair: CircuitKeyPair
}
const HUBS: readonly TestHub[] = Array.from({ length: 4 }, () => ({
  id: random.bytes(32),
  pair: CircuitKeyPair.fromBytes(random.bytes(96)),
}))

/** How the hub at this place (from 1) knows its neighbour and its link. */
function contextAt(place: number): CreateHop['context'] {
  const before = HUBS[place - 2]
  return {
    networkId: NETWORK,
    hubId: HUBS[place - 1]!.id,
    previousId: before?.id ?? CLIENT,
    linkBinding: before === undefined ? BINDING : NO_BINDING,
  }
}

function create(hops: number, target: Target | undefined = NAME): ReturnType<typeof buildCreate> {
  const path = HUBS.slice(0, hops).map(({ pair }, i) => ({
    context: contextAt(i + 1),
    key: new CircuitPublicKey(pair.publicBytes),
  }))
  return buildCreate(path, GRANULE, target)
}

/** What the hub at `place` makes of a body that came from its real neighbour; another may pose as it. */
function open(
  body: Uint8Array,
  place: number,
  as: { hub?: number; context?: number; fromHub?: boolean } = {},
): OpenedCreate | undefined {
  const { pair } = HUBS[(as.hub ?? place) - 1]!
  const received = receive(contextAt(as.context ?? place), pair, readOffer(body))
  const fromHub = as.fromHub ?? place > 1
  return received && openCreate(body, classOfBody(body.length) as CellClass, fromHub, received)
}

describe('a CREATE', () => {
  test.each([
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 4],
  ] as const)('of %i hops is one cell of class %i, at every hop', (hops, cellClass) => {
    const { frame, cellClass: made } = create(hops)
    expect([createClass(hops), made, bodyOf(frame).length]).toEqual([cellClass, cellClass, bodyBytesOf(cellClass)])
    let body = bodyOf(frame)
    for (let place = 1; place < hops; place++) {
      const { routing } = open(body, place)!
      body = bodyOf(innerCreate(routing.role === 'relay' ? routing.inner : new Uint8Array(0), cellClass))
      expect(body).toHaveLength(bodyBytesOf(cellClass))
    }
  })

  test.each([1, 2, 3, 4])('of %i hops is opened by each hub in turn, which learns its own part and no more', (hops) => {
    const { frame, cellClass, initiated } = create(hops)
    let body = bodyOf(frame)
    for (let place = 1; place <= hops; place++) {
      const opened = open(body, place)!
      expect([opened.place, opened.routing.role]).toEqual([place, place === hops ? 'exit' : 'relay'])
      expect(opened.routing.granule).toBe(GRANULE)
      expect(toHex(opened.early.earlyKey)).toBe(toHex(initiated[place - 1]!.early.earlyKey))
      if (opened.routing.role === 'exit') {
        expect(opened.routing.target).toEqual(NAME)
        return
      }
      expect(toHex(opened.routing.nextId)).toBe(toHex(HUBS[place]!.id))
      expect(opened.routing.inner).toHaveLength(createBytes(body.length, place + 1))
      body = bodyOf(innerCreate(opened.routing.inner, cellClass))
    }
  })

  test.each([1, 2, 3, 4])('of %i hops opens at no hub, neighbour or link but its own', (hops) => {
    let { frame } = create(hops)
    for (let place = 1; place <= hops; place++) {
      const body = bodyOf(frame)
      expect(open(body, place)).toBeDefined()
      for (let other = 1; other <= 4; other++) {
        if (other === place) continue
        expect(open(body, place, { hub: other })).toBeUndefined()
        expect(open(body, place, { context: other })).toBeUndefined()
      }
      expect(open(body, place, { fromHub: place === 1 })).toBeUndefined()
      const { routing } = open(body, place)!
      if (routing.role === 'relay') frame = innerCreate(routing.inner, classOfBody(body.length) as CellClass)
    }
  })

  test('of four hops is opened by hubs of the second implementation', () => {
    const twins = HUBS.map(() => nobleKeyPair(random.bytes(32), random.bytes(64)))
    const ids = HUBS.map(({ id }) => id)
    for (const hops of [1, 2, 3, 4]) {
      const path = twins
        .slice(0, hops)
        .map(({ B, K }, i) => ({ context: contextAt(i + 1), key: new CircuitPublicKey(join(B, K)) }))
      const { frame, cellClass } = buildCreate(path, GRANULE, hops === 2 ? undefined : NAME)
      let body: Uint8Array = bodyOf(frame)
      for (let place = 1; place <= hops; place++) {
        const context = {
          networkId: NETWORK,
          hubId: ids[place - 1]!,
          idBefore: ids[place - 2] ?? CLIENT,
          binding: place === 1 ? BINDING : NO_BINDING,
        }
        const hub = NobleHub.accept(
          body,
          cellClass,
          place === 1 ? 'client' : 'hub',
          context,
          twins[place - 1]!,
          random.bytes(32),
        )!
        expect([hub.place, hub.role]).toEqual([place, place === hops ? 2 : 1])
        expect(hub.plain.subarray(0, 4)).toEqual(hex('01 02 03 04'))
        if (place === hops) {
          const target = hops === 2 ? [0] : nobleOpenPayload(nobleNameTarget('example.com', 443))
          expect(hub.plain.subarray(4)).toEqual(join(target, new Uint8Array(hub.plain.length - 4 - target.length)))
          continue
        }
        expect(hub.nextId).toEqual(ids[place])
        body = join(hub.inner, new Uint8Array(body.length - hub.inner.length))
      }
    }
  })

  test('that the second implementation made for three hops is opened by our hubs', () => {
    const path = HUBS.slice(0, 3).map(({ id, pair }) => ({ hubId: id, key: noblePublicKey(pair.publicBytes) }))
    const open4 = nobleOpenPayload(nobleNameTarget('example.com', 443))
    const client = new NobleClient({
      ...{ networkId: NETWORK, clientKey: CLIENT, binding: BINDING, path, granule: GRANULE, open: open4 },
      random: (length) => random.bytes(length),
    })
    let body = client.create
    for (let place = 1; place <= 3; place++) {
      const opened = open(body, place)!
      expect([opened.place, opened.routing.granule]).toEqual([place, GRANULE])
      expect(toHex(opened.early.replayTag)).toBe(toHex(client.replayTag(place)))
      if (opened.routing.role === 'relay') body = bodyOf(innerCreate(opened.routing.inner, 3))
      else expect(opened.routing.target).toEqual(NAME)
    }
  })

  test('with a target that is said later names none', () => {
    const { routing } = open(bodyOf(buildCreateWithout(1)), 1)!
    expect(routing).toEqual({ role: 'exit', granule: GRANULE, target: undefined })
  })

  test('has no two equal offers: every hop gets keys of its own', () => {
    const { initiated } = create(4)
    expect(new Set(initiated.map(({ offer }) => toHex(offer.x))).size).toBe(4)
    expect(new Set(initiated.map(({ early }) => toHex(early.replayTag))).size).toBe(4)
  })

  test('is for one to four hops', () => {
    expect(() => buildCreate([], GRANULE, NAME)).toThrow(RangeError)
    const hop = { context: contextAt(1), key: new CircuitPublicKey(HUBS[0]!.pair.publicBytes) }
    expect(() => buildCreate(new Array(5).fill(hop), GRANULE, NAME)).toThrow(RangeError)
  })

  test('holds the longest name at the last of four hops and of three', () => {
    const label = 'a'.repeat(63)
    const target: Target = { kind: 'name', name: `${label}.${label}.${label}.${'b'.repeat(61)}.`, port: 65535 }
    for (const hops of [1, 3, 4]) {
      let body = bodyOf(create(hops, target).frame)
      for (let place = 1; place < hops; place++) {
        const { routing } = open(body, place)!
        body = bodyOf(innerCreate((routing as { inner: Uint8Array }).inner, createClass(hops)))
      }
      expect(open(body, hops)!.routing).toMatchObject({ target })
    }
  })
})

describe('a CREATE that was tampered with', () => {
  const { frame } = create(3)
  const atHome = bodyOf(frame)
  const atRelay = bodyOf(innerCreate((open(atHome, 1)!.routing as { inner: Uint8Array }).inner, 3))
  const mine = createBytes(atRelay.length, 2)

  test('opens with no bit changed in what is the hub’s own: offer, ciphertext, tag', () => {
    const samples = (end: number): number[] => [
      ...Array.from({ length: 36 * 8 }, (_, i) => 32 + i).filter((bit) => bit % 5 === 0), // X, and the start of ct
      ...Array.from({ length: 120 }, (_, i) => Math.floor((i * end * 8) / 120)).filter((bit) => bit >= 32),
      end * 8 - 1,
    ]
    for (const bit of samples(atHome.length)) expect([bit, open(flipBit(atHome, bit), 1)]).toEqual([bit, undefined])
    for (const bit of samples(mine)) expect([bit, open(flipBit(atRelay, bit), 2)]).toEqual([bit, undefined])
  })

  test('opens the same whatever stands behind the hub’s own part, and hands none of that on', () => {
    const right = open(atRelay, 2)!.routing
    const changed = join(atRelay.subarray(0, mine), random.bytes(atRelay.length - mine))
    expect(open(changed, 2)!.routing).toEqual(right)
  })

  test('names another key if its key id was changed, which is for the hub to see', () => {
    const offer = readOffer(flipBit(atHome, 0))
    expect(toHex(offer.keyId)).not.toBe(toHex(readOffer(atHome).keyId))
    expect(offer.x).toEqual(readOffer(atHome).x)
  })

  test('opens in no truncation', () => {
    const received = receive(contextAt(1), HUBS[0]!.pair, readOffer(atHome))!
    for (let length = 0; length < atHome.length; length += 37) {
      expect([length, openCreate(atHome.subarray(0, length), 3, false, received)]).toEqual([length, undefined])
    }
    expect(openCreate(atHome, 3, false, received)).toBeDefined()
  })

  test('opens in no other class', () => {
    const received = receive(contextAt(1), HUBS[0]!.pair, readOffer(atHome))!
    for (const cellClass of [1, 2, 4] as const) expect(openCreate(atHome, cellClass, false, received)).toBeUndefined()
  })
})

describe('an exit’s part of a CREATE', () => {
  const path = [{ hubId: HUBS[0]!.id, key: noblePublicKey(HUBS[0]!.pair.publicBytes) }]
  const openedFrom = (payload: Uint8Array): OpenedCreate | undefined => {
    const client = new NobleClient({
      ...{ networkId: NETWORK, clientKey: CLIENT, binding: BINDING, path, granule: GRANULE, open: payload },
      random: (length) => random.bytes(length),
    })
    return open(client.create, 1)
  }

  test('may hold anything behind the target', () => {
    const target = nobleOpenPayload(nobleNameTarget('example.com', 443))
    expect(openedFrom(join(target, [9, 9, 9]))?.routing).toMatchObject({ target: NAME })
  })

  test.each([
    ['UDP', '02', { kind: 'udp' }],
    ['the DNS', '03', { kind: 'dns' }],
    ['echo', '04 01 c0 00 02 01', { kind: 'echo', address: hex('c0 00 02 01') }],
  ])('may be for %s', (_, payload, target) => {
    expect(openedFrom(join(hex(payload), [9, 9]))?.routing).toMatchObject({ role: 'exit', target })
  })

  test.each([
    ['a kind of circuit that there is not', '05 01 c0 00 02 01 01 bb'],
    ['an echo to a name', '04 03 01 61 00 50'],
    ['port 0', '01 01 c0 00 02 01 00 00'],
    ['an unknown kind of address', '01 04 c0 00 02 01 01 bb'],
    ['a name that is a number', '01 03 01 31 00 50'],
  ])('with %s is as if it had not opened', (_, payload) => {
    expect(openedFrom(hex(payload))).toBeUndefined()
  })
})

describe('what a CREATE can be', () => {
  const hops = (cellClass: CellClass, fromHub: boolean): string =>
    possibleHops(cellClass, fromHub)
      .map(({ place, role }) => `${place} ${role}`)
      .join(', ')

  test('follows from its class and from who sent it', () => {
    expect([1, 2, 3, 4].map((cellClass) => hops(cellClass as CellClass, false))).toEqual([
      '',
      '',
      '1 relay, 1 exit',
      '1 relay',
    ])
    expect([1, 2, 3, 4].map((cellClass) => hops(cellClass as CellClass, true))).toEqual([
      ...['', '', '2 relay, 3 exit, 2 exit'],
      '2 relay, 3 relay, 4 exit',
    ])
  })

  test('has sizes that leave the last hop room for its target', () => {
    expect([OFFER_BYTES, CREATE_SLOT_BYTES]).toEqual([1124, 1176])
    expect(createBytes(bodyBytesOf(3), 3) - OFFER_BYTES - 16).toBeGreaterThan(4 + 1 + 1 + 1 + 254 + 2)
  })
})

function buildCreateWithout(hops: number): Uint8Array {
  const path = HUBS.slice(0, hops).map(({ pair }, i) => ({
    context: contextAt(i + 1),
    key: new CircuitPublicKey(pair.publicBytes),
  }))
  return buildCreate(path, GRANULE, undefined).frame
}
