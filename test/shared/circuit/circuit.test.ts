import { describe, expect, test } from '@jest/globals'
import { Fault } from '../../../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../../../shared/base/fault-codes.ts'
import { CELL_CLASSES, CELL_TYPES } from '../../../shared/cell/cell.ts'
import { MAX_CELL_MESSAGES } from '../../../shared/cell/message.ts'
import { CircuitPublicKey } from '../../../shared/crypto/circuit-key.ts'
import { INITIAL_CREDIT_BYTES } from '../../../shared/link/credit.ts'
import { FRAME_TYPES } from '../../../shared/link/frame.ts'
import { type ClientRecord, concatAll, MemoryNetwork } from '../../support/memory-network.ts'
import { cellOf, RawClient, RawExit } from '../../support/raw-circuit.ts'
import { seededRandom } from '../../support/seeded-random.ts'

const random = seededRandom('circuit')
const NAMES = ['a', 'b', 'c', 'd']
const LENGTHS = [1, 2, 3, 4]

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

/** A network of as many hubs as the path has, with a circuit that is open. */
async function opened(hops: number, options: ConstructorParameters<typeof MemoryNetwork>[1] = {}) {
  const network = new MemoryNetwork(NAMES.slice(0, hops), options)
  const client = network.open('client', NAMES.slice(0, hops))
  await network.run()
  const exit = network.hub(NAMES[hops - 1] as string).exits[0]!
  return { network, client, exit }
}

describe('a circuit', () => {
  test.each(LENGTHS)('of %i hops carries bytes both ways; the client ends first, cleanly', async (hops) => {
    const { network, client, exit } = await opened(hops)
    expect(client.events).toEqual(['opened 4'])
    expect(exit.target).toEqual([{ kind: 'ip', address: Uint8Array.of(93, 184, 216, 34), port: 443 }])
    const request = random.bytes(100_000)
    client.circuit.write(request)
    client.circuit.finish()
    await network.run()
    expect(same(concatAll(exit.received), request)).toBe(true)
    expect(exit.events).toEqual(['finished'])
    const answer = random.bytes(300_000)
    exit.circuit().write(answer)
    exit.circuit().finish()
    await network.run()
    expect(same(concatAll(client.received), answer)).toBe(true)
    expect(client.events).toEqual(['opened 4', 'finished', 'closed cleanly'])
    expect(exit.events).toEqual(['finished', 'closed cleanly'])
    expect(network.remains).toEqual([])
  })

  test.each(LENGTHS)('of %i hops is half closed by the destination first', async (hops) => {
    const { network, client, exit } = await opened(hops)
    exit.circuit().write(random.bytes(1000))
    exit.circuit().finish()
    await network.run()
    expect(client.events).toEqual(['opened 4', 'finished'])
    client.circuit.write(random.bytes(50_000))
    await network.run()
    expect(concatAll(exit.received)).toHaveLength(50_000)
    client.circuit.finish()
    await network.run()
    expect([client.events.at(-1), exit.events.at(-1), network.remains]).toEqual([
      'closed cleanly',
      'closed cleanly',
      [],
    ])
  })

  test('is ended by both sides at once', async () => {
    const { network, client, exit } = await opened(3)
    client.circuit.finish()
    exit.circuit().finish()
    await network.run()
    expect(client.events).toEqual(['opened 4', 'finished', 'closed cleanly'])
    expect(exit.events).toEqual(['finished', 'closed cleanly'])
    expect(network.remains).toEqual([])
  })

  test('takes no more bytes after its end was said', async () => {
    const { network, client, exit } = await opened(2)
    for (const side of [client.circuit, exit.circuit()]) {
      side.finish()
      side.finish()
      expect(side.write(new Uint8Array(10))).toBe(false)
    }
    await network.run()
    expect([client.received, exit.received, network.remains]).toEqual([[], [], []])
  })

  test.each(LENGTHS)('of %i hops that the client resets is reset at the exit', async (hops) => {
    const { network, client, exit } = await opened(hops)
    client.circuit.write(random.bytes(100))
    client.circuit.reset()
    await network.run()
    expect([client.fault?.code, exit.events, exit.received.length]).toEqual([
      'cancelled',
      ['closed connection-reset'],
      1,
    ])
    expect(network.remains).toEqual([])
  })

  test.each(LENGTHS)('of %i hops that the destination resets is reset at the client', async (hops) => {
    const { network, client, exit } = await opened(hops)
    exit.circuit().write(random.bytes(100))
    exit.circuit().reset()
    await network.run()
    expect([client.fault?.code, client.received.length]).toEqual(['connection-reset', 1])
    expect(network.remains).toEqual([])
  })

  test.each(LENGTHS)('of %i hops ends on both sides as a fault, not cleanly, when a link breaks', async (hops) => {
    for (let broken = 0; broken < hops; broken++) {
      const { network, client, exit } = await opened(hops)
      const [from, to] = ['client', ...NAMES].slice(broken, broken + 2) as [string, string]
      network.link(from, to).fail(new Fault('link-closed'))
      network.link(to, from).fail(new Fault('link-closed'))
      await network.run()
      expect([client.fault?.code, exit.events.at(-1)]).toEqual(['circuit-closed', 'closed circuit-closed'])
      expect(network.remains).toEqual([])
    }
  })

  test('goes on for more cells than one key may seal', async () => {
    const { network, client, exit } = await opened(2)
    const cells = 66_000
    for (let i = 0; i < cells; i += 500) {
      for (let j = 0; j < 500; j++) client.circuit.write(Uint8Array.of(j))
      await network.run()
    }
    expect([exit.received.length, client.fault]).toEqual([cells, undefined])
  })
})

describe('the target', () => {
  test('is told only after the answer, in the profile that wants it', async () => {
    const network = new MemoryNetwork(['a', 'b', 'c'])
    const client = network.open('client', ['a', 'b', 'c'], { targetAfterAnswer: true })
    let answers = 0
    network.tamper = (header, frame, _from, to) => {
      if (header.type === CELL_TYPES.answer && to === 'client') {
        answers++
        expect(network.hub('c').exits[0]?.target).toEqual([])
      }
      return [frame]
    }
    await network.run()
    expect([answers, client.events, network.hub('c').exits[0]?.target.length]).toEqual([1, ['opened 4'], 1])
  })

  test('that is told twice closes the circuit', async () => {
    const network = new MemoryNetwork(['a'])
    const client = new RawClient(network, ['a'])
    await network.run()
    client.switch({ type: 'open', target: { kind: 'name', name: 'example.com', port: 80 } })
    await network.run()
    expect([client.closed, network.hub('a').exits[0]?.target.length]).toEqual([true, 1])
  })
})

describe('early bytes', () => {
  test.each(LENGTHS)('of a circuit of %i hops arrive in the first flight, in front of all others', async (hops) => {
    const network = new MemoryNetwork(NAMES.slice(0, hops), { onConnect: () => {} })
    const client = network.open('client', NAMES.slice(0, hops))
    const early = random.bytes(20_000)
    const later = random.bytes(20_000)
    client.circuit.write(early)
    await network.run()
    const exit = network.hub(NAMES[hops - 1] as string).exits[0]!
    expect(same(concatAll(exit.received), early)).toBe(true)
    expect(client.circuit.state.at).toBe('opening')
    client.circuit.write(later)
    exit.circuit().connected(6)
    await network.run()
    expect(client.events).toEqual(['opened 6'])
    expect(same(concatAll(exit.received), Buffer.concat([early, later]))).toBe(true)
  })

  test('wait at a relay that has not reached the next hub yet', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const link = Promise.withResolvers<void>()
    network.dialling.set('b', link.promise)
    const client = network.open('client', ['a', 'b'])
    client.circuit.write(random.bytes(200_000))
    await network.run()
    expect(network.hub('b').exits).toHaveLength(0)
    link.resolve()
    await network.run()
    expect(concatAll(network.hub('b').exits[0]?.received ?? [])).toHaveLength(200_000)
  })
})

describe('a refusal by the exit', () => {
  const codes = (Object.keys(FAULTS) as FaultCode[]).filter((code) => FAULTS[code].wire >= 0x20)

  test.each(codes)('%s reaches the client by its code, and points at the exit', async (code) => {
    const network = new MemoryNetwork(['a', 'b', 'c'], { onConnect: ({ circuit }) => circuit().refuse(code) })
    const client = network.open('client', ['a', 'b', 'c'])
    await network.run()
    expect([client.fault?.code, client.fault?.details.place]).toEqual([code, 3])
    expect(network.remains).toEqual([])
  })

  test('can not be one that only hubs give, and one that nobody knows', async () => {
    for (const reason of [0, 0x01, 0x06, 0x1f, 0x3f, 0xff]) {
      const network = new MemoryNetwork(['a', 'b'])
      const exit = new RawExit(network.hub('b'))
      const client = network.open('client', ['a', 'b'])
      await network.run()
      exit.send(cellOf({ type: 'refused', reason }))
      await network.run()
      expect(client.fault?.code).toBe('circuit-protocol')
    }
  })
})

/** One way to make the hub at some place refuse, and what the client is to learn. */
interface Refusal {
  readonly code: FaultCode
  readonly place: number
  readonly prepare: (network: MemoryNetwork) => void
  readonly path?: readonly string[]
  readonly options?: Parameters<MemoryNetwork['open']>[2]
}

const PATH = ['a', 'b', 'c']
const REFUSALS: readonly Refusal[] = [
  { code: 'hub-draining', place: 1, prepare: (network) => network.hub('a').service.drain() },
  { code: 'hub-draining', place: 2, prepare: (network) => network.hub('b').service.drain() },
  { code: 'hub-draining', place: 3, prepare: (network) => network.hub('c').service.drain() },
  { code: 'hub-busy', place: 3, prepare: (network) => void network.addHub('c', undefined, { maxCircuits: 0 }) },
  {
    code: 'role-refused',
    place: 3,
    prepare: (network) =>
      void network.addHub('c', undefined, { roles: { home: true, relay: true, exit4: false, exit6: false } }),
  },
  {
    code: 'role-refused',
    place: 2,
    prepare: (network) =>
      void network.addHub('b', undefined, { roles: { home: false, relay: false, exit4: true, exit6: true } }),
  },
  {
    code: 'role-refused',
    place: 2,
    prepare: (network) => {
      const roles = { home: true, relay: false, exit4: false, exit6: false } // enough at place 1
      for (const name of ['a', 'b']) network.addHub(name, undefined, { roles })
    },
  },
  { code: 'next-forbidden', place: 2, path: ['a', 'b', 'a'], prepare: () => {} },
  { code: 'next-forbidden', place: 2, path: ['a', 'b', 'b'], prepare: () => {} },
  {
    code: 'next-unreachable',
    place: 2,
    prepare: (network) => {
      const failed = Promise.reject(new Fault('link-closed'))
      failed.catch(() => {})
      network.dialling.set('c', failed)
    },
  },
  { code: 'next-closed', place: 2, prepare: (network) => void closing(network, 'c') },
  { code: 'next-closed', place: 1, prepare: (network) => void closing(network, 'b') },
  {
    code: 'clock-skew',
    place: 1,
    prepare: () => {},
    options: { granule: 1 },
  },
]

/** A hub that closes every circuit without a word. */
function closing(network: MemoryNetwork, name: string): void {
  const accept = (_from: unknown, end: { abort(): void }): void => end.abort()
  Object.assign(network.hub(name), { service: { accept, tick() {}, circuitCount: 0, drain() {}, close() {} } })
}

/** Opens a circuit and writes down every frame that travels backward. */
async function refused(
  refusal: Refusal | undefined,
): Promise<{ client: ClientRecord; frames: string[]; left: string[] }> {
  const network = new MemoryNetwork(PATH)
  refusal?.prepare(network)
  const frames: string[] = []
  network.tamper = (header, frame, from, to) => {
    const backward = from > to || to === 'client'
    if (backward && header.type === CELL_TYPES.answer) frames.push(`${from}>${to} ${header.cellClass} ${frame.length}`)
    if (header.type === FRAME_TYPES.close) expect(frame).toHaveLength(8)
    return [frame]
  }
  const client = network.open('client', refusal?.path ?? PATH, refusal?.options)
  await network.run()
  return { client, frames, left: network.remains }
}

describe('a refusal by a hub', () => {
  test.each(REFUSALS.map((one) => [one.code, one.place, one] as const))(
    '%s at place %i reaches the client, with the place, and leaves nothing',
    async (code, place, refusal) => {
      const { client, left } = await refused(refusal)
      expect([client.fault?.code, client.fault?.details.place, left]).toEqual([code, place, []])
    },
  )

  test('looks like success to all hubs before it: one cell of the smallest class', async () => {
    const success = await refused(undefined)
    expect(success.frames).toEqual(['c>b 1 512', 'b>a 1 512', 'a>client 1 512'])
    for (const refusal of REFUSALS) {
      const { frames } = await refused(refusal)
      const seen = success.frames.slice(3 - refusal.place)
      expect(frames.length === seen.length ? frames : frames.slice(1)).toEqual(seen)
    }
  })

  test('next-silent comes when the next hub does not answer, before the client gives up', async () => {
    const network = new MemoryNetwork(PATH)
    const exit = new RawExit(network.hub('c'), false)
    const client = network.open('client', PATH)
    await network.run()
    await network.pass(7_999, [client])
    expect([client.fault, exit.end?.status]).toEqual([undefined, 'open'])
    await network.pass(1, [client])
    expect([client.fault?.code, client.fault?.details.place, network.remains]).toEqual(['next-silent', 2, []])
  })

  test('can not claim what only a destination says, or what nobody knows', async () => {
    for (const status of [0x20, 0x2a, 0x0a, 0x1f, 0xff]) {
      const network = new MemoryNetwork(['a'])
      const hub = new RawExit(network.hub('a'), false)
      const client = network.open('client', ['a'])
      await network.run()
      hub.sendFrame(CELL_TYPES.answer, hub.answer(status))
      await network.run()
      expect([client.fault?.code, client.fault?.details.place]).toEqual(['circuit-protocol', 1])
    }
  })
})

describe('a hub with a circuit key that is none', () => {
  const bad: readonly (readonly [string, (key: Uint8Array) => void])[] = [
    ['a point of low order', (key) => void key.fill(0, 0, 32)],
    ['an ML-KEM key out of range', (key) => void key.fill(0xff, 32)],
  ]

  test.each(bad)(
    'makes the circuit fail, names the place, and leaves nothing that fails later: %s',
    async (_what, spoil) => {
      const network = new MemoryNetwork(['a', 'b'])
      const { link, clientKey, linkBinding } = network.join('client', 'a')
      const hop = network.pathHop('b')
      const bytes = hop.key.bytes.slice()
      spoil(bytes)
      const path = [network.pathHop('a'), { hubId: hop.hubId, key: new CircuitPublicKey(bytes) }]
      const open = (): unknown => network.open('client', ['a', 'b'], { path, clientKey, linkBinding })
      expect(open).toThrow(expect.objectContaining({ code: 'circuit-protocol' }))
      expect(network.remains).toEqual([])
      link.fail(new Fault('link-closed'))
    },
  )
})

describe('credit', () => {
  test('ends at the reader: one that stalls stops the destination from being read, and no hop holds more than it', async () => {
    const { network, client, exit } = await opened(3, { autoRelease: false })
    let accepted = 0
    let room = true
    while (room && accepted < 8 * INITIAL_CREDIT_BYTES) {
      room = exit.circuit().write(new Uint8Array(16_309))
      accepted += 16_384
      await network.run()
    }
    expect(room).toBe(false)
    expect(concatAll(client.received).length).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)
    expect(accepted).toBeLessThanOrEqual(3 * INITIAL_CREDIT_BYTES + 16_384) // as much for each hop
    const held = PATH.flatMap((name, i) => {
      const before = i === 0 ? 'client' : (PATH[i - 1] as string)
      return [network.link(name, before).heldBytes, network.link(before, name).heldBytes]
    })
    for (const bytes of held) expect(bytes).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES)

    expect(exit.events).toEqual([])
    client.circuit.release(INITIAL_CREDIT_BYTES)
    await network.run()
    expect(exit.events).toEqual(['writable'])
  })

  test('lets a stalled destination stop the client', async () => {
    const { network, client, exit } = await opened(2, { autoRelease: false })
    let room = true
    for (let i = 0; i < 100 && room; i++) {
      room = client.circuit.write(new Uint8Array(16_309))
      await network.run()
    }
    expect([room, concatAll(exit.received).length <= INITIAL_CREDIT_BYTES]).toEqual([false, true])
    exit.circuit().release(INITIAL_CREDIT_BYTES)
    await network.run()
    expect(client.events).toContain('writable')
  })

  test('never runs dry: many times its amount passes, in cells of every size', async () => {
    const { network, client, exit } = await opened(3)
    let sent = 0
    for (let i = 0; i < 300; i++) {
      const bytes = random.below(30_000)
      client.circuit.write(new Uint8Array(bytes))
      exit.circuit().write(new Uint8Array(bytes))
      sent += bytes
      if (i % 10 === 0) await network.run()
    }
    await network.run()
    expect(sent).toBeGreaterThan(4 * INITIAL_CREDIT_BYTES)
    expect([concatAll(exit.received).length, concatAll(client.received).length]).toEqual([sent, sent])
  })

  test('of the CREATE comes back at the last hop too', async () => {
    const { network } = await opened(1)
    expect(network.link('a', 'client').heldBytes).toBe(0)
  })
})

describe('pings', () => {
  test('of a client that does not read do not fill the memory of the exit', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const client = new RawClient(network, ['a', 'b'], { stalls: true })
    await network.run()
    client.switch()
    const pings = cellOf(...Array(MAX_CELL_MESSAGES).fill({ type: 'ping', token: 1n }))
    for (let i = 0; i < 1500; i++) {
      client.send(pings)
      if (i % 500 === 0) await network.run()
    }
    await network.run()
    expect(client.closed).toBe(false)
    expect(network.link('b', 'a').heldBytes).toBeLessThanOrEqual(INITIAL_CREDIT_BYTES + CELL_CLASSES[1])
  })

  test('are answered, one for a cell', async () => {
    const network = new MemoryNetwork(['a'])
    const client = new RawClient(network, ['a'])
    await network.run()
    client.switch({ type: 'ping', token: 1n }, { type: 'ping', token: 2n })
    client.send(cellOf({ type: 'ping', token: 3n }))
    await network.run()
    expect(client.received.filter(({ type }) => type === 'pong')).toEqual([
      { type: 'pong', token: 2n },
      { type: 'pong', token: 3n },
    ])
  })
})

describe('the end of the data', () => {
  test.each([1n, 99n, 101n, 2n ** 64n - 1n])(
    'with a wrong number of bytes (%i for 100) is no clean end',
    async (total) => {
      const network = new MemoryNetwork(['a', 'b'])
      const client = new RawClient(network, ['a', 'b'])
      await network.run()
      client.switch({ type: 'data', bytes: new Uint8Array(100) }, { type: 'fin', total })
      await network.run()
      const exit = network.hub('b').exits[0]!
      expect([client.closed, exit.events]).toEqual([true, ['closed cell-rejected']])

      const other = new MemoryNetwork(['a', 'b'])
      const evil = new RawExit(other.hub('b'))
      const honest = other.open('client', ['a', 'b'])
      await other.run()
      evil.send(
        cellOf({ type: 'opened', family: 4 }, { type: 'data', bytes: new Uint8Array(100) }, { type: 'fin', total }),
      )
      await other.run()
      expect(honest.events).toEqual(['opened 4', 'closed cell-rejected'])
    },
  )

  test('before the connection is open never reaches the app', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const exit = new RawExit(network.hub('b'))
    const client = network.open('client', ['a', 'b'])
    await network.run()
    exit.send(cellOf({ type: 'fin', total: 0n }))
    await network.run()
    expect(client.events).toEqual(['closed circuit-protocol'])
  })

  test('that comes twice is told once', async () => {
    const network = new MemoryNetwork(['a', 'b'])
    const exit = new RawExit(network.hub('b'))
    const client = network.open('client', ['a', 'b'])
    await network.run()
    exit.send(cellOf({ type: 'opened', family: 4 }, { type: 'fin', total: 0n }, { type: 'fin', total: 0n }))
    await network.run()
    expect(client.events).toEqual(['opened 4', 'finished', 'closed circuit-protocol'])

    const twice = new MemoryNetwork(['a'])
    const evil = new RawClient(twice, ['a'])
    await twice.run()
    evil.switch({ type: 'fin', total: 0n }, { type: 'fin', total: 0n })
    await twice.run()
    expect(twice.hub('a').exits[0]?.events).toEqual(['finished', 'closed circuit-protocol'])
  })
})
