import { beforeEach, describe, expect, jest, test } from '@jest/globals'
import type { CircuitKeyRing } from '../../hub/circuit-keys.ts'
import { CircuitKeyRing as Ring } from '../../hub/circuit-keys.ts'
import {
  type CircuitPeer,
  CircuitService,
  type CircuitServiceOptions,
  type CircuitServiceParts,
} from '../../hub/circuit-service.ts'
import { HubMetrics } from '../../hub/metrics.ts'
import { ReplayStore, type ReplayVerdict } from '../../hub/replay-store.ts'
import { Fault } from '../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../shared/base/fault-codes.ts'
import { GRANULE_MS, NetworkTime } from '../../shared/base/network-time.ts'
import { readAnswer } from '../../shared/cell/answer.ts'
import { bodyOf, CELL_TYPES, type CellClass } from '../../shared/cell/cell.ts'
import { buildCreate } from '../../shared/cell/create.ts'
import { CircuitPublicKey } from '../../shared/crypto/circuit-key.ts'
import { type HopContext, type Initiated, NO_BINDING } from '../../shared/crypto/handshake.ts'
import { X25519PrivateKey } from '../../shared/crypto/x25519.ts'
import { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { NETWORK_ID, START_MS } from '../support/memory-network.ts'
import { WEB } from '../support/raw-circuit.ts'
import { usedBytes } from '../support/used-bytes.ts'

const HUB = new Uint8Array(32).fill(1)
const NEXT = new Uint8Array(32).fill(2)
const CLIENT = new Uint8Array(32).fill(9)

/** Counts what a CREATE costs, step by step. */
class CountingKeys {
  readonly ring: CircuitKeyRing
  agreements = 0
  lookups = 0

  constructor(notBefore = 0) {
    this.ring = new Ring({ ...Ring.fresh(START_MS).current, notBefore })
  }

  find(id: Uint8Array, nowMs: number): ReturnType<CircuitKeyRing['find']> {
    this.lookups++
    const found = this.ring.find(id, nowMs)
    if (found === undefined) return undefined
    const { pair } = found
    const counted = Object.create(pair, {
      x: {
        get: () => {
          this.agreements++
          return pair.x
        },
      },
    }) as typeof pair
    return { ...found, pair: counted }
  }
}

class CountingReplays extends ReplayStore {
  checks = 0
  verdict: ReplayVerdict | undefined

  override check(...args: Parameters<ReplayStore['check']>): ReplayVerdict {
    this.checks++
    return this.verdict ?? super.check(...args)
  }
}

/** One end of a circuit whose link is the test. */
function endWith(): { end: CircuitEnd; calls: string[] } {
  const calls: string[] = []
  const end = new CircuitEnd(
    1,
    {
      ready: () => void calls.push('ready'),
      owes: () => {},
      held: () => {},
      isRoomy: () => true,
      closeNow: () => void calls.push('close'),
      forget: () => void calls.push('forget'),
    },
    true,
  )
  return { end, calls }
}

let clock: ManualClock
let time: NetworkTime
let keys: CountingKeys
let replays: CountingReplays
let metrics: HubMetrics
let hubs: Uint8Array[]
let service: CircuitService
let peer: CircuitPeer
let exits: number

function make(options: Partial<CircuitServiceOptions> = {}, parts: Partial<CircuitServiceParts> = {}): CircuitService {
  return new CircuitService(
    {
      hubId: HUB,
      networkId: NETWORK_ID,
      roles: { home: true, relay: true, exit4: true, exit6: true },
      maxCircuits: 100,
      clientRate: { perSecond: 10, burst: 50 },
      hubRate: { perSecond: 1000, burst: 1000 },
      ...options,
    },
    {
      clock,
      time,
      keys: keys as unknown as CircuitKeyRing,
      replays,
      metrics,
      isHub: (id) => hubs.some((hub) => Buffer.compare(hub, id) === 0),
      openCircuitTo: () => new Promise(() => {}),
      afterWriting: (work) => work(),
      exit: () => {
        exits++
        return { connect() {}, data() {}, finished() {}, writable() {}, closed() {} }
      },
      ...parts,
    },
  )
}

beforeEach(() => {
  clock = new ManualClock()
  time = new NetworkTime()
  time.set(START_MS, clock.now())
  keys = new CountingKeys()
  replays = new CountingReplays()
  metrics = new HubMetrics()
  hubs = [NEXT]
  peer = { peerKey: CLIENT, binding: new Uint8Array(32).fill(5) }
  exits = 0
  service = make()
})

interface Create {
  readonly body: Uint8Array
  readonly cellClass: CellClass
  readonly initiated: readonly Initiated[]
}

function createFor(changes: { hops?: number; next?: Uint8Array; from?: CircuitPeer; granule?: number } = {}): Create {
  const { hops = 1, next = NEXT, from = peer, granule = time.granuleAt(clock.now()) } = changes
  const key = new CircuitPublicKey(keys.ring.current.pair.publicBytes)
  const first: HopContext = {
    networkId: NETWORK_ID,
    hubId: HUB,
    previousId: from.peerKey,
    linkBinding: from.binding ?? NO_BINDING,
  }
  const path = [{ context: first, key }]
  for (let i = 1; i < hops; i++) {
    path.push({
      context: { networkId: NETWORK_ID, hubId: next, previousId: HUB, linkBinding: new Uint8Array(32) },
      key,
    })
  }
  const { frame, cellClass, initiated } = buildCreate(path, granule, WEB)
  return { body: bodyOf(frame), cellClass, initiated }
}

/** Hands the CREATE over; the answer that came, as the client reads it, and how the circuit stands. */
function accept(create: Create, from = peer, subject = service) {
  const { end, calls } = endWith()
  subject.accept(from, end, create.cellClass, create.body)
  const frame = end.sendable ? end.takeFrame() : undefined
  const answer = frame === undefined ? undefined : readAnswer(bodyOf(frame), create.initiated.slice(0, 1))
  return { end, calls, type: frame?.[0], answer }
}

const refused = (): FaultCode[] => [...metrics.createsRefused.entries.keys()]

describe('a CREATE', () => {
  test('that is right makes a circuit and gets an answer', () => {
    const { end, type, answer } = accept(createFor())
    expect([end.status, type, answer?.failed]).toEqual(['open', CELL_TYPES.answer, undefined])
    expect([service.circuitCount, exits, metrics.createsAccepted.total]).toEqual([1, 1, 1])
  })

  test.each([
    [1, 'circuit-protocol'],
    [2, 'circuit-protocol'],
  ] as const)('of class %i is closed without a look at it', (cellClass, code) => {
    const { calls } = accept({ ...createFor(), cellClass })
    expect([calls, refused(), keys.lookups]).toEqual([['close'], [code], 0])
  })

  test('of a client is closed without a look at it where the hub is no home', () => {
    const relay = make({ roles: { home: false, relay: true, exit4: true, exit6: true } })
    const { calls } = accept(createFor(), peer, relay)
    expect([calls, refused(), keys.lookups]).toEqual([['close'], ['role-refused'], 0])
  })

  test('is closed without a look at it while the time is not known', () => {
    const create = createFor()
    time = new NetworkTime()
    const { calls } = accept(create, peer, make())
    expect([calls, refused(), keys.lookups]).toEqual([['close'], ['clock-unknown'], 0])
  })

  test('under a key that the hub does not have costs no key agreement', () => {
    const create = createFor()
    create.body[0] = (create.body[0] as number) ^ 1
    const { calls } = accept(create)
    expect([calls, refused(), keys.agreements]).toEqual([['close'], ['create-key-unknown'], 0])
  })

  test('that does not open is not remembered, so it can not fill the store', () => {
    for (const at of [10, 100, 1200, 4000]) {
      const create = createFor()
      create.body[at] = (create.body[at] as number) ^ 1
      expect(accept(create).calls).toEqual(['close'])
    }
    expect([refused(), replays.checks, service.circuitCount]).toEqual([['create-unreadable'], 0, 0])
  })

  test('for another link, peer, network or hub does not open', () => {
    const create = createFor()
    expect(accept(create, { peerKey: CLIENT, binding: new Uint8Array(32).fill(6) }).calls).toEqual(['close'])
    expect(accept(create, { peerKey: new Uint8Array(32).fill(8), binding: peer.binding }).calls).toEqual(['close'])
    expect(accept(create, peer, make({ networkId: new Uint8Array(32) })).calls).toEqual(['close'])
    expect(accept(create, peer, make({ hubId: NEXT })).calls).toEqual(['close'])
    expect(refused()).toEqual(['create-unreadable'])
  })

  test('that no link is bound to must be younger than what an earlier process may have taken; others need not', () => {
    const loaded = new CountingKeys(time.granuleAt(clock.now()) + 1)
    keys = loaded
    const unbound = { peerKey: CLIENT, binding: undefined }
    const outcome = (from: CircuitPeer): number | undefined =>
      accept(createFor({ from }), from, make()).answer?.failed?.status
    expect(outcome(unbound)).toBe(FAULTS['clock-skew'].wire)
    expect(outcome(peer)).toBeUndefined()
    clock.advance(GRANULE_MS)
    expect(outcome(unbound)).toBeUndefined()
  })

  test('for a link without a binding does not open on one that has it, nor the other way round', () => {
    const unbound = { peerKey: CLIENT, binding: undefined }
    expect(accept(createFor({ from: unbound })).calls).toEqual(['close'])
    expect(accept(createFor(), unbound).calls).toEqual(['close'])
    expect(accept(createFor({ from: unbound }), unbound).type).toBe(CELL_TYPES.answer)
  })

  test('that was seen before is closed, and is not answered', () => {
    const create = createFor()
    accept(create)
    expect(accept(create)).toMatchObject({ calls: ['close'], type: undefined })
    expect([refused(), service.circuitCount]).toEqual([['create-replayed'], 1])
  })

  const full = (): undefined => {
    replays.verdict = 'full'
  }
  const draining = (): undefined => {
    service.drain()
  }
  const remade = (options: Partial<CircuitServiceOptions>) => (): undefined => {
    service = make(options)
  }

  test.each<[string, FaultCode, () => Create | undefined]>([
    ['outside the window', 'clock-skew', () => createFor({ granule: time.granuleAt(clock.now()) + 2 })],
    ['when the store is full', 'hub-busy', full],
    ['when there are enough circuits', 'hub-busy', remade({ maxCircuits: 0 })],
    ['when the hub shuts down', 'hub-draining', draining],
    [
      'for an exit that is none',
      'role-refused',
      remade({ roles: { home: true, relay: true, exit4: false, exit6: false } }),
    ],
    ['to this very hub', 'next-forbidden', () => createFor({ hops: 2, next: HUB })],
    ['back to where it came from', 'next-forbidden', () => createFor({ hops: 2, next: CLIENT })],
    ['to a hub that is in no map', 'next-unknown', () => createFor({ hops: 2, next: new Uint8Array(32).fill(77) })],
  ])('%s is answered with %s, for the client alone, and closed behind it', (_what, code, prepare) => {
    const create = prepare() ?? createFor()
    const { end, calls, type, answer } = accept(create)
    expect(type).toBe(CELL_TYPES.answer)
    expect([answer?.failed, refused()]).toEqual([{ place: 1, status: FAULTS[code].wire }, [code]])
    expect([end.status, calls]).toEqual(['closing', ['ready', 'ready']])
    expect([end.takeFrame(), end.status, service.circuitCount]).toEqual([undefined, 'closed', 0])
  })

  test('that goes on costs its second key agreement behind that, before the next hub has answered', async () => {
    const agreed = jest.spyOn(X25519PrivateKey.prototype, 'agreeWith')
    const later: (() => void)[] = []
    const next = endWith()
    const parts = { openCircuitTo: async () => next.end, afterWriting: (work: () => void) => void later.push(work) }
    const subject = make({}, parts)
    const create = createFor({ hops: 2 })
    agreed.mockClear()
    subject.accept(peer, endWith().end, create.cellClass, create.body)
    await new Promise((resolve) => setImmediate(resolve))
    expect([next.end.takeFrame()?.[0], agreed.mock.calls.length, later.length]).toEqual([CELL_TYPES.create, 1, 1])
    for (const work of later) work()
    expect(agreed.mock.calls.length).toBe(2)
    agreed.mockRestore()
  })

  test('at an exit begins to connect before the second key agreement is paid for, and before the answer', () => {
    const agreed = jest.spyOn(X25519PrivateKey.prototype, 'agreeWith')
    const { end } = endWith()
    const atConnect: unknown[] = []
    const connect = (): void => void atConnect.push(agreed.mock.calls.length, end.sendable)
    const subject = make({}, { exit: () => ({ connect, data() {}, finished() {}, writable() {}, closed() {} }) })
    const create = createFor()
    agreed.mockClear()
    subject.accept(peer, end, create.cellClass, create.body)
    expect(atConnect).toEqual([1, false])
    expect([agreed.mock.calls.length, end.takeFrame()?.[0], end.sendable]).toEqual([2, CELL_TYPES.answer, false])
    agreed.mockRestore()
  })

  test('at an exit that refuses the destination within the call is answered first, then refused, then closed', () => {
    const { end } = endWith()
    const closed: unknown[] = []
    const subject = make(
      {},
      {
        exit: (circuit) => ({
          connect: () => circuit().refuse('policy-refused'),
          ...{ data() {}, finished() {}, writable() {} },
          closed: (because) => void closed.push(because),
        }),
      },
    )
    const create = createFor()
    subject.accept(peer, end, create.cellClass, create.body)
    expect([end.takeFrame()?.[0], end.takeFrame()?.[0]]).toEqual([CELL_TYPES.answer, CELL_TYPES.cell])
    expect([end.status, end.takeFrame(), end.status]).toEqual(['closing', undefined, 'closed'])
    expect([closed, subject.circuitCount]).toEqual([['policy-refused'], 0])
  })

  test('that a hub can not extend is answered when that turns out', async () => {
    for (const [error, code] of [
      [new Fault('next-unknown'), 'next-unknown'],
      [new Fault('peer-identity'), 'next-unreachable'],
      [new Error('anything'), 'next-unreachable'],
    ] as const) {
      const subject = make({}, { openCircuitTo: () => Promise.reject(error) })
      const create = createFor({ hops: 2 })
      const { end } = endWith()
      subject.accept(peer, end, create.cellClass, create.body)
      await new Promise((resolve) => setImmediate(resolve))
      const answer = readAnswer(bodyOf(end.takeFrame() as Uint8Array), create.initiated.slice(0, 1))
      expect([answer?.failed, subject.circuitCount]).toEqual([{ place: 1, status: FAULTS[code].wire }, 0])
    }
  })
})

describe('a CREATE whose circuit is over before the next hub is reached', () => {
  test('leaves nothing of what was to be sent there, however long that takes', async () => {
    const rate = { perSecond: 10_000, burst: 10_000 }
    const { promise: dialling } = Promise.withResolvers<CircuitEnd>()
    const subject = make({ clientRate: rate }, { openCircuitTo: () => dialling })
    const before = await usedBytes()
    for (let i = 0; i < 2_000; i++) {
      const create = createFor({ hops: 2 })
      const { end } = endWith()
      subject.accept(peer, end, create.cellClass, create.body)
      expect(subject.circuitCount).toBe(1)
      end.receiveClose()
    }
    expect(subject.circuitCount).toBe(0)
    expect((await usedBytes()) - before).toBeLessThan(2_000 * 4_096)
  })
})

describe('a flood of CREATEs', () => {
  test('by one client link costs no key agreement beyond its rate, and others nothing', () => {
    for (let i = 0; i < 50; i++) accept(createFor())
    const before = keys.agreements
    expect(before).toBe(50)
    const flood = createFor()
    for (let i = 0; i < 1000; i++) expect(accept(flood).calls).toEqual(['close'])
    expect([keys.agreements, keys.lookups]).toEqual([before, 50])
    expect(metrics.createsRefused.entries.get('limit-reached')).toBe(1000)
    const other = { peerKey: new Uint8Array(32).fill(10), binding: new Uint8Array(32) }
    expect(accept(createFor({ from: other }), other).type).toBe(CELL_TYPES.answer)
  })

  test('is let in again at its rate', () => {
    const garbage = { ...createFor(), body: new Uint8Array(4088) }
    for (let i = 0; i < 50; i++) accept(garbage)
    accept(garbage)
    clock.advance(1000)
    for (let i = 0; i < 20; i++) accept(garbage)
    expect(metrics.createsRefused.entries.get('limit-reached')).toBe(1 + 10)
  })

  test('of garbage costs no key agreement at all', () => {
    for (let i = 0; i < 40; i++) accept({ ...createFor(), body: new Uint8Array(4088).fill(i) })
    expect([keys.agreements, replays.checks]).toEqual([0, 0])
  })

  test('by a hub, which carries many clients, has the rate of hubs', () => {
    const from = { peerKey: NEXT, binding: new Uint8Array(32) }
    const garbage = { ...createFor(), body: new Uint8Array(4088) }
    for (let i = 0; i < 1001; i++) accept(garbage, from)
    expect(metrics.createsRefused.entries.get('limit-reached')).toBe(1)
  })

  test('by a hub that dialled before the map with it came has the rate of hubs as soon as that is there', () => {
    const from = { peerKey: new Uint8Array(32).fill(5), binding: new Uint8Array(32) }
    const garbage = { ...createFor(), body: new Uint8Array(4088) }
    for (let i = 0; i < 51; i++) accept(garbage, from)
    expect(metrics.createsRefused.entries.get('limit-reached')).toBe(1)
    hubs.push(from.peerKey)
    for (let i = 0; i < 1001; i++) accept(garbage, from)
    expect(metrics.createsRefused.entries.get('limit-reached')).toBe(2)
    hubs.pop()
    for (let i = 0; i < 51; i++) accept(garbage, from)
    expect(metrics.createsRefused.entries.get('limit-reached')).toBe(3)
  })
})

describe('circuits at a hub', () => {
  test('are taken up to the cap, and one past it is refused until one ends', () => {
    service = make({ maxCircuits: 3 })
    const ends = [1, 2, 3].map(() => accept(createFor()).end)
    expect(accept(createFor()).answer?.failed).toBeDefined()
    ends[0]?.receiveClose()
    expect([service.circuitCount, accept(createFor()).answer?.failed]).toEqual([2, undefined])
  })

  test('all end when it closes, also those that end each other', () => {
    for (let i = 0; i < 5; i++) accept(createFor({ hops: (i % 2) + 1 }))
    expect(service.circuitCount).toBe(5)
    service.close()
    service.close()
    service.tick(clock.now())
    expect(service.circuitCount).toBe(0)
  })
})
