import { beforeEach, describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { concatBytes } from '../../../shared/base/bytes.ts'
import type { FaultCode } from '../../../shared/base/fault-codes.ts'
import { systemRandom } from '../../../shared/base/random.ts'
import { CELL_TYPES, type CellClass, type CellType, newFrame } from '../../../shared/cell/cell.ts'
import { ACK_EVERY_BYTES } from '../../../shared/link/acks.ts'
import type { CircuitEnd } from '../../../shared/link/circuit-end.ts'
import { CREDIT_QUANTUM_BYTES, INITIAL_CREDIT_BYTES } from '../../../shared/link/credit.ts'
import { INITIAL_WINDOW_BYTES } from '../../../shared/link/flight.ts'
import { CELL_FLAGS, encodeFrame, FRAME_TYPES, WRITE_UNIT_BYTES, writeCellHeader } from '../../../shared/link/frame.ts'
import {
  CLOSE_ANSWER_LIMIT_MS,
  CLOSING_LIMIT_MS,
  HELLO_LIMIT_MS,
  MAX_QUEUED_CONTROL_BYTES,
  PING_AFTER_MS,
  SILENCE_LIMIT_MS,
} from '../../../shared/link/link.ts'
import { ACK_LIMIT_MS } from '../../../shared/link/outgoing.ts'
import {
  framesOf,
  LINK_NETWORK_ID,
  LinkPair,
  type LinkSide,
  linkSide,
  RecordingHandler,
} from '../../support/link-pair.ts'

const { create, cell, answer, switch: switchType } = CELL_TYPES
const NOTHING = new Uint8Array(0)

function cellFrame(type: CellType, id: number, cellClass: CellClass = 1): Uint8Array {
  const frame = newFrame(cellClass)
  writeCellHeader(frame, type, cellClass, id)
  return frame
}

const hello = (version = 1, network = LINK_NETWORK_ID): Uint8Array =>
  encodeFrame(FRAME_TYPES.hello, 0, concatBytes(Uint8Array.of(version), network))
const closeFrame = (id: number): Uint8Array => encodeFrame(FRAME_TYPES.close, id, NOTHING)
const creditFrame = (id: number): Uint8Array => encodeFrame(FRAME_TYPES.credit, id, NOTHING)
const ackFrame = (total: number): Uint8Array => {
  const payload = new Uint8Array(8)
  new DataView(payload.buffer).setBigUint64(0, BigInt(total))
  return encodeFrame(FRAME_TYPES.ack, 0, payload)
}
const sent = (side: LinkSide): string[] =>
  framesOf(side.link.pull(1 << 20, 0)).map(({ header }) => `${header.type}:${header.circuitId}`)

/** Opens a circuit on the link, with a handler, and sends its CREATE. */
function open(side: LinkSide): { end: CircuitEnd; handler: RecordingHandler } {
  const end = side.link.openCircuit()
  const handler = new RecordingHandler()
  end.attach(handler)
  end.send(create, newFrame(3))
  return { end, handler }
}

let pair: LinkPair

beforeEach(() => {
  pair = new LinkPair()
})

describe('the greeting of a link', () => {
  test('lets both sides use it, once', () => {
    pair.run()
    expect([pair.a.ready, pair.b.ready]).toEqual([1, 1])
    expect(pair.a.link.greeted).toBe(true)
  })

  test.each<[string, Uint8Array, FaultCode]>([
    ['of another version', hello(2), 'link-version'],
    ['of version 0', hello(0), 'link-version'],
    ['of another network', hello(1, new Uint8Array(32)), 'link-network'],
    ['that is too short', encodeFrame(FRAME_TYPES.hello, 0, NOTHING), 'link-version'],
    ['with a byte too many', encodeFrame(FRAME_TYPES.hello, 0, new Uint8Array(34).fill(1)), 'link-version'],
  ])('%s ends it', (_what, frame, code) => {
    const side = linkSide()
    side.link.receive(frame, 0)
    expect([side.ready, side.fault?.code]).toEqual([0, code])
  })

  test.each([
    ['padding', encodeFrame(FRAME_TYPES.pad, 0, new Uint8Array(100))],
    ['a PING', encodeFrame(FRAME_TYPES.ping, 0, new Uint8Array(8))],
    ['a CREATE', cellFrame(create, 1, 3)],
    ['control bytes', encodeFrame(FRAME_TYPES.control, 0, Uint8Array.of(1))],
  ])('must come first: %s before it ends the link', (_what, frame) => {
    const side = linkSide()
    side.link.receive(frame, 0)
    expect(side.fault?.code).toBe('link-protocol')
  })

  test('must not come twice', () => {
    pair.run()
    pair.b.link.receive(hello(), 0)
    expect(pair.b.fault?.code).toBe('link-protocol')
  })

  test('that never comes ends the link in time, also if the peer says one byte after the other', () => {
    const side = linkSide()
    const bytes = hello()
    for (let now = 0; now < HELLO_LIMIT_MS; now += 1000) {
      side.link.receive(bytes.subarray(now / 1000, now / 1000 + 1), now)
      side.link.tick(now)
      expect(side.fault).toBeUndefined()
    }
    side.link.tick(HELLO_LIMIT_MS)
    expect(side.fault?.code).toBe('link-silent')
  })

  test('may be followed at once by circuits', () => {
    const { a, b } = pair
    open(a)
    pair.run()
    expect(b.circuits).toHaveLength(1)
  })
})

describe('circuits on a link', () => {
  test('have odd ids from the side that dialled, even ones from the other, each id once', () => {
    const ids = [pair.a, pair.b].map((side) => [1, 2, 3].map(() => side.link.openCircuit().id))
    expect(ids).toEqual([
      [1, 3, 5],
      [2, 4, 6],
    ])
  })

  test.each([
    ['an id of our own kind', 2],
    ['an id of our own kind that we use', 4],
  ])('are refused with %s', (_what, id) => {
    const { b } = pair
    pair.run()
    b.link.openCircuit()
    open(b)
    b.link.receive(cellFrame(create, id, 3), 0)
    expect(b.fault?.code).toBe('link-protocol')
  })

  test('are refused with an id that is in use', () => {
    open(pair.a)
    pair.run()
    pair.b.link.receive(cellFrame(create, 1, 3), 0)
    expect(pair.b.fault?.code).toBe('link-protocol')
  })

  test.each([cell, answer, switchType])('a cell (type %i) for an id that is not in use ends the link', (type) => {
    pair.run()
    pair.b.link.receive(cellFrame(type, 1), 0)
    expect(pair.b.fault?.code).toBe('link-protocol')
  })

  test('a CLOSE is answered with company, not at once', () => {
    const { end } = open(pair.a)
    pair.run()
    end.close()
    const wakes = [pair.b.wakes, pair.b.laterWakes]
    pair.move(pair.a, pair.b)
    expect([pair.b.wakes, pair.b.laterWakes]).toEqual([wakes[0], (wakes[1] as number) + 1])
    pair.run()
    expect([pair.a.link.circuitCount, pair.b.link.circuitCount]).toEqual([0, 0])
  })

  test('a CREDIT or a CLOSE for an id that is not in use is ignored', () => {
    pair.run()
    pair.b.link.receive(concatBytes(creditFrame(77), closeFrame(77), closeFrame(2)), 0)
    expect(pair.b.fault).toBeUndefined()
    expect(sent(pair.b)).toEqual([])
  })

  test('carry their cells in order, each to its own handler', () => {
    const circuits = [open(pair.a), open(pair.a)]
    const received: number[][] = [[], []]
    pair.b.onCircuit = (end) => {
      const index = (end.id - 1) / 2
      end.attach({
        ...{ onSent() {}, onRoom() {}, onClosed() {} },
        onCell: (_type, _class, body) => void received[index]?.push(body[0] as number),
      })
    }
    for (let i = 0; i < 30; i++) circuits[i % 2]?.end.send(cell, newFrame(1).fill(i))
    pair.run()
    expect(received).toEqual([0, 1].map((odd) => Array.from({ length: 15 }, (_, i) => 2 * i + odd)))
  })

  test('beyond the limit of the peer are closed one by one; twice the limit without taking the CLOSEs ends the link', () => {
    pair = new LinkPair({}, { maxCircuits: 2 })
    const circuits = Array.from({ length: 4 }, () => open(pair.a))
    pair.run()
    expect(circuits.map(({ handler }) => handler.closes)).toEqual([0, 0, 1, 1])
    expect(pair.b.circuits).toHaveLength(2)
    expect([pair.a.link.circuitCount, pair.b.link.circuitCount]).toEqual([2, 2])
    for (const id of [101, 103]) pair.b.link.receive(cellFrame(create, id, 3), 0)
    expect(pair.b.fault).toBeUndefined()
    pair.b.link.receive(cellFrame(create, 105, 3), 0)
    expect(pair.b.fault?.code).toBe('link-protocol')
  })

  test('may not be opened by a peer that has none to open', () => {
    pair = new LinkPair({}, { maxCircuits: 0 })
    open(pair.a)
    pair.run()
    expect([pair.b.circuits.length, pair.b.fault?.code]).toEqual([0, 'link-protocol'])
  })

  test('can not be opened on a link that is over', () => {
    pair.b.link.receive(Uint8Array.of(255, 0, 0, 0, 0, 0, 0, 0), 0)
    expect(() => pair.b.link.openCircuit()).toThrow(expect.objectContaining({ code: 'link-closed' }))
  })
})

describe('the end of a circuit', () => {
  test('by one side comes behind what it has queued, and frees the id on both sides', () => {
    const { end } = open(pair.a)
    const theirs = new RecordingHandler()
    pair.b.onCircuit = (opened) => opened.attach(theirs)
    for (let i = 0; i < 5; i++) end.send(cell, newFrame(1).fill(i))
    end.close()
    pair.run()
    expect([theirs.cells.length, theirs.closes]).toEqual([5, 1])
    expect([pair.a.link.circuitCount, pair.b.link.circuitCount]).toEqual([0, 0])
  })

  test('at once drops what is queued', () => {
    const { end } = open(pair.a)
    const theirs = new RecordingHandler()
    pair.b.onCircuit = (opened) => opened.attach(theirs)
    pair.run()
    for (let i = 0; i < 5; i++) end.send(cell, newFrame(1))
    end.abort()
    pair.run()
    expect([theirs.cells.length, theirs.closes]).toEqual([0, 1])
  })

  test.each(['close', 'abort'] as const)(
    'by both sides at the same time is one end, and no CLOSE too many (%s)',
    (how) => {
      const { end } = open(pair.a)
      pair.run()
      const other = pair.b.circuits[0]?.end as CircuitEnd
      end[how]()
      other[how]()
      const [fromA, fromB] = [pair.a.link.pull(4096, 0), pair.b.link.pull(4096, 0)]
      expect([fromA, fromB].map((chunks) => framesOf(chunks).map(({ header }) => header.type))).toEqual([[8], [8]])
      for (const chunk of fromA) pair.b.link.receive(chunk, 0)
      for (const chunk of fromB) pair.a.link.receive(chunk, 0)
      expect([pair.a.link.circuitCount, pair.b.link.circuitCount]).toEqual([0, 0])
      expect([sent(pair.a), sent(pair.b)]).toEqual([[], []])
    },
  )

  test('lets cells pass that were on their way when it came', () => {
    const { end } = open(pair.a)
    pair.run()
    const other = pair.b.circuits[0]?.end as CircuitEnd
    end.send(cell, newFrame(1))
    other.abort()
    pair.run()
    expect([pair.a.fault, pair.b.fault]).toEqual([undefined, undefined])
    expect([pair.a.link.circuitCount, pair.b.link.circuitCount]).toEqual([0, 0])
  })

  test('keeps the id taken until the peer has closed too', () => {
    const { end } = open(pair.a)
    pair.run()
    const other = pair.b.circuits[0]?.end as CircuitEnd
    other.abort()
    expect(pair.b.link.circuitCount).toBe(1)
    pair.b.link.receive(cellFrame(cell, end.id), 0) // still on its way
    expect(pair.b.fault).toBeUndefined()
    pair.b.link.receive(closeFrame(end.id), 0)
    expect(pair.b.link.circuitCount).toBe(0)
    pair.b.link.receive(cellFrame(create, end.id, 3), 0)
    expect([pair.b.fault, pair.b.circuits.length]).toEqual([undefined, 2])
  })

  test.each(['close', 'abort'] as const)('before the CREATE went out needs no CLOSE and leaves nothing (%s)', (how) => {
    pair.run()
    pair.a.link.openCircuit()[how]()
    const { end } = open(pair.a)
    end.abort()
    expect(pair.a.link.circuitCount).toBe(0)
    expect(sent(pair.a)).toEqual([])
    pair.run()
    expect(pair.b.circuits).toHaveLength(0)
  })

  test('comes in time also for a peer that gives no credit: it is cut off then', () => {
    const { end } = open(pair.a)
    pair.run()
    for (let sum = 0; sum < 2 * INITIAL_CREDIT_BYTES; sum += 16384) end.send(cell, newFrame(4))
    end.close()
    pair.pass(CLOSING_LIMIT_MS)
    expect([end.status, end.heldBytes > 0]).toEqual(['closing', true])
    pair.pass(2000)
    expect([end.status, pair.a.link.circuitCount, pair.a.link.heldBytes]).toEqual(['closed', 0, 0])
  })

  test('that the peer never answers ends the link: it would keep ids and memory taken', () => {
    pair.run()
    const { a } = pair
    const keepsQuiet = (ms: number): void => {
      for (let at = 0; at < ms; at += 1000) {
        pair.now += 1000
        a.link.receive(encodeFrame(FRAME_TYPES.pad, 0, NOTHING), pair.now)
        a.link.tick(pair.now)
        a.link.pull(1 << 20, 0)
      }
    }
    const { end } = open(a)
    a.link.pull(4096, 0)
    end.close()
    keepsQuiet(CLOSE_ANSWER_LIMIT_MS)
    expect([a.fault, a.link.circuitCount]).toEqual([undefined, 1])
    keepsQuiet(1000)
    expect(a.fault?.code).toBe('link-protocol')
  })

  test.each([false, true])(
    'of the link tells every circuit once (an owner ends another one meanwhile: %s)',
    (meddles) => {
      const circuits = Array.from({ length: 5 }, () => pair.a.link.openCircuit())
      const closes = circuits.map(() => 0)
      for (const [i, end] of circuits.entries()) {
        end.attach({
          ...{ onCell() {}, onSent() {}, onRoom() {} },
          onClosed: () => {
            closes[i] = (closes[i] ?? 0) + 1
            if (meddles) circuits[i + 1]?.abort()
          },
        })
      }
      pair.a.link.receive(Uint8Array.of(255, 0, 0, 0, 0, 0, 0, 0), 0)
      expect(closes).toEqual(meddles ? [1, 0, 1, 0, 1] : [1, 1, 1, 1, 1]) // who ended one himself is not told of it
      expect([pair.a.link.circuitCount, pair.a.fault?.code]).toEqual([0, 'link-protocol'])
      expect(pair.a.link.pull(4096, 0)).toEqual([])
    },
  )
})

describe('a handler that ends things in the middle of a call', () => {
  test('may end the link: nothing behind it in the chunk is handed out', () => {
    pair.run()
    const { b } = pair
    b.onCircuit = () => b.link.receive(Uint8Array.of(255, 0, 0, 0, 0, 0, 0, 0), 0)
    b.link.receive(concatBytes(cellFrame(create, 1, 3), cellFrame(create, 3, 3)), 0)
    expect([b.circuits.length, b.fault?.code]).toEqual([1, 'link-protocol'])
  })

  test('may end its circuit while it is told of a cell, of room and of what was sent', () => {
    const { end } = open(pair.a)
    end.attach({
      ...{ onRoom() {}, onClosed() {}, onCell: () => end.abort() },
      onSent: () => end.close(),
    })
    for (let i = 0; i < 3; i++) end.send(cell, newFrame(1))
    pair.run()
    expect([pair.a.link.circuitCount, pair.b.link.circuitCount]).toEqual([0, 0])
    expect([pair.a.fault, pair.b.fault]).toEqual([undefined, undefined])
  })
})

describe('credit', () => {
  test('stops the sender at the cap and lets it go on when bytes are released', () => {
    const { end, handler } = open(pair.a)
    const theirs = new RecordingHandler()
    pair.b.onCircuit = (opened) => opened.attach(theirs)
    const cells = 40
    for (let i = 0; i < cells; i++) end.send(cell, newFrame(4))
    pair.run()
    const fits = Math.floor((INITIAL_CREDIT_BYTES - 4096) / 16384)
    expect(theirs.cells).toHaveLength(fits)
    const other = pair.b.circuits[0]?.end as CircuitEnd
    other.release(CREDIT_QUANTUM_BYTES - 1)
    pair.run()
    expect(theirs.cells).toHaveLength(fits)
    other.release(1) // one quantum, and one more, because the sender has none left and less than half is held
    pair.run()
    expect(theirs.cells).toHaveLength(fits + 8)
    expect(handler.rooms).toBe(0)
    for (let i = 0; i < 10; i++) {
      other.release(CREDIT_QUANTUM_BYTES)
      pair.run()
    }
    expect(theirs.cells).toHaveLength(cells)
    expect(handler.rooms).toBe(1)
  })

  test('of the receiver is enforced to the last byte: one cell beyond it ends the link', () => {
    const { b } = pair
    pair.run()
    b.link.receive(cellFrame(create, 1, 3), 0)
    const left = INITIAL_CREDIT_BYTES - 4096
    for (let i = 0; i < Math.floor(left / 16384); i++) b.link.receive(cellFrame(cell, 1, 4), 0)
    for (let i = 0; i < (left % 16384) / 512; i++) b.link.receive(cellFrame(cell, 1), 0)
    expect([b.fault, b.link.heldBytes]).toEqual([undefined, INITIAL_CREDIT_BYTES])
    b.link.receive(cellFrame(cell, 1), 0)
    expect(b.fault?.code).toBe('link-protocol')
  })

  test('that is granted for what was never sent ends the link', () => {
    const { end } = open(pair.a)
    pair.run()
    pair.a.link.receive(creditFrame(end.id), 0)
    expect(pair.a.fault?.code).toBe('link-protocol')
  })

  test('goes out ahead of all cells', () => {
    const { end } = open(pair.a)
    pair.run()
    const other = pair.b.circuits[0]?.end as CircuitEnd
    for (let i = 0; i < 10; i++) end.send(cell, newFrame(4))
    pair.run()
    for (let i = 0; i < 10; i++) other.send(cell, newFrame(1))
    other.release(CREDIT_QUANTUM_BYTES)
    expect(sent(pair.b)[0]).toBe('7:1')
  })
})

describe('acknowledgements', () => {
  /** A link that has sent `cells` large cells on circuits of its own, as far as it may, and heard a HELLO. */
  function sender(circuits: number, cells: number): { side: LinkSide; written: number } {
    const side = linkSide()
    side.link.receive(hello(), 0)
    for (let i = 0; i < circuits; i++) {
      const { end } = open(side)
      for (let j = 0; j < cells; j++) end.send(cell, newFrame(4))
    }
    return { side, written: pulled(side) }
  }

  const pulled = (side: LinkSide, now = 0): number => {
    let bytes = 0
    for (let i = 0; i < 1000; i++) for (const chunk of side.link.pull(65536, now)) bytes += chunk.length
    return bytes
  }

  test('are sent for every 16 KiB, with the number of all bytes, and not for less', () => {
    const { side, written } = sender(1, 2)
    const peer = linkSide({ initiator: false })
    peer.link.pull(4096, 0)
    peer.link.receive(hello(), 0)
    peer.link.receive(new Uint8Array(ACK_EVERY_BYTES - 41 - 8 - 1).fill(0), 0) // PADs, the last one cut off
    expect(framesOf(peer.link.pull(4096, 0))).toEqual([])
    peer.link.receive(new Uint8Array(9), 0)
    const [ack] = framesOf(peer.link.pull(4096, 0))
    expect(ack?.header.type).toBe(FRAME_TYPES.ack)
    expect(new DataView((ack as { frame: Uint8Array }).frame.buffer).getBigUint64(8)).toBe(BigInt(ACK_EVERY_BYTES))
    expect(written).toBeGreaterThan(ACK_EVERY_BYTES)
    side.link.receive(ackFrame(ACK_EVERY_BYTES), 0)
    expect(side.fault).toBeUndefined()
  })

  test('let no more be sent than the window, and so much more as they say', () => {
    const { side, written } = sender(20, 7)
    expect(written).toBeGreaterThanOrEqual(INITIAL_WINDOW_BYTES)
    expect(written).toBeLessThanOrEqual(INITIAL_WINDOW_BYTES + 2 * 16384)
    side.link.receive(ackFrame(written - 40_000), 0)
    const more = pulled(side)
    expect(more).toBeGreaterThan(0)
    expect(more).toBeLessThanOrEqual(INITIAL_WINDOW_BYTES + 2 * 16384 - 40_000)
  })

  test.each<[string, (written: number) => number]>([
    ['one byte more than was sent', (written) => written + 1],
    ['all bytes that there can be', () => Number.MAX_SAFE_INTEGER],
    ['nothing', () => 0],
  ])('of %s end the link', (_what, total) => {
    const { side, written } = sender(1, 4)
    side.link.receive(ackFrame(total(written)), 0)
    expect(side.fault?.code).toBe('link-protocol')
  })

  test('that take back, or say the same again, end the link', () => {
    for (const second of [20_000, 19_999]) {
      const { side } = sender(1, 4)
      side.link.receive(ackFrame(20_000), 0)
      expect(side.fault).toBeUndefined()
      side.link.receive(ackFrame(second), 0)
      expect(side.fault?.code).toBe('link-protocol')
    }
  })

  test('that do not come although the peer is alive end the link in time', () => {
    for (const cells of [2, 7]) {
      const { side } = sender(1, cells)
      let now = 0
      const alive = (ms: number): void => {
        for (let at = 0; at < ms; at += 1000) {
          now += 1000
          side.link.receive(encodeFrame(FRAME_TYPES.pad, 0, NOTHING), now)
          side.link.tick(now)
          pulled(side, now)
        }
      }
      alive(ACK_LIMIT_MS)
      expect(side.fault).toBeUndefined()
      alive(1000)
      expect(side.fault?.code).toBe('link-silent')
    }
  })

  test('are not missed where none are due: less than 32 KiB went out', () => {
    pair = new LinkPair()
    const { end } = open(pair.a)
    end.send(cell, newFrame(3))
    pair.run()
    pair.pass(10 * ACK_LIMIT_MS)
    expect([pair.a.fault, pair.b.fault]).toEqual([undefined, undefined])
  })
})

describe('what a link writes', () => {
  test('is a multiple of 512 bytes, whatever it has to say', () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant('cell' as const), cellClass: fc.constantFrom<CellClass>(1, 2, 3, 4) }),
      fc.record({ kind: fc.constant('control' as const), bytes: fc.integer({ min: 1, max: 40_000 }) }),
      fc.record({ kind: fc.constantFrom('open' as const, 'close' as const, 'abort' as const, 'ping' as const) }),
      fc.record({ kind: fc.constant('pull' as const), limit: fc.constantFrom(1, 512, 65536) }),
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const side = linkSide()
        const circuits: CircuitEnd[] = []
        const check = (limit: number): void => {
          const chunks = side.link.pull(limit, 0)
          expect(chunks.reduce((sum, chunk) => sum + chunk.length, 0) % WRITE_UNIT_BYTES).toBe(0)
        }
        for (const one of actions) {
          if (one.kind === 'open') circuits.push(open(side).end)
          else if (one.kind === 'cell') circuits.at(-1)?.send(cell, newFrame(one.cellClass))
          else if (one.kind === 'control') side.link.sendControl(new Uint8Array(one.bytes))
          else if (one.kind === 'ping') side.link.ping(0)
          else if (one.kind === 'pull') check(one.limit)
          else circuits.pop()?.[one.kind]()
        }
        for (let i = 0; i < 100; i++) check(65536)
      }),
      { numRuns: 100 },
    )
  })

  test('is nothing when there is nothing to say', () => {
    pair.run()
    expect(pair.a.link.pull(1 << 20, 0)).toEqual([])
  })

  test('gives every circuit its turn, a cell each, also when one wants everything', () => {
    pair.run()
    const circuits = Array.from({ length: 20 }, () => open(pair.a).end)
    pair.run()
    const greedy = circuits[0] as CircuitEnd
    for (let i = 0; i < 20; i++) greedy.send(cell, newFrame(4))
    for (const end of circuits.slice(1)) end.send(cell, newFrame(1))
    const order = framesOf(pair.a.link.pull(400_000, 0)).map(({ header }) => header.circuitId)
    expect(new Set(order.slice(0, 20)).size).toBe(20)
  })

  test('gives equal circuits equal shares over many small writes', () => {
    pair.run()
    const circuits = Array.from({ length: 7 }, () => open(pair.a).end)
    const counts = new Map<number, number>()
    let cells = 0
    pair.b.onCircuit = (end) =>
      end.attach({
        ...{ onSent() {}, onRoom() {}, onClosed() {} },
        onCell: (_type, _class, body) => {
          end.release(body.length + 8)
          counts.set(end.id, (counts.get(end.id) ?? 0) + 1)
          cells++
        },
      })
    pair.run()
    for (const end of circuits) for (let i = 0; i < 30; i++) end.send(cell, newFrame(4))
    while (cells < 70) {
      pair.move(pair.a, pair.b, 1)
      pair.move(pair.b, pair.a)
    }
    expect([...counts.values()]).toEqual(Array(7).fill(10))
  })

  test('takes turns for thousands of circuits without losing one', () => {
    pair = new LinkPair({}, { maxCircuits: 5000 })
    const circuits = Array.from({ length: 3000 }, () => open(pair.a).end)
    for (const end of circuits) end.send(cell, newFrame(1))
    const handlers = new Map<number, number>()
    pair.b.onCircuit = (end) =>
      end.attach({
        ...{ onSent() {}, onRoom() {}, onClosed() {} },
        onCell: () => void handlers.set(end.id, (handlers.get(end.id) ?? 0) + 1),
      })
    pair.run()
    expect([handlers.size, new Set(handlers.values())]).toEqual([3000, new Set([1])])
  })
})

describe('a link in time', () => {
  test('asks for a sign of life after a silence, and lives on with the answer', () => {
    pair.run()
    pair.pass(PING_AFTER_MS, [pair.a])
    expect(pair.a.link.rttMs).toBe(0)
    pair.pass(10 * SILENCE_LIMIT_MS)
    expect([pair.a.fault, pair.b.fault]).toEqual([undefined, undefined])
  })

  test('measures the round trip', () => {
    pair.run()
    pair.a.link.ping(0)
    pair.now = 250
    pair.run()
    expect(pair.a.link.rttMs).toBe(250)
  })

  test('measures by the PONG of the PING that is out, not of one before', () => {
    pair.run()
    const { a, b } = pair
    a.link.ping(0)
    for (const chunk of a.link.pull(4096, 0)) b.link.receive(chunk, 0)
    const late = b.link.pull(4096, 0)
    a.link.ping(1000)
    for (const chunk of late) a.link.receive(chunk, 1100)
    expect([a.fault, a.link.rttMs]).toEqual([undefined, undefined])
    pair.now = 1300
    pair.run()
    expect(a.link.rttMs).toBe(300)
  })

  test('sends PINGs that nobody can tell beforehand, and that have no clock in them', () => {
    const random = systemRandom
    const [one, other] = [linkSide({ random }), linkSide({ random })]
    const pings = [one, one, other].map((side) => {
      side.link.ping(1000)
      return framesOf(side.link.pull(4096, 0)).find(({ header }) => header.type === FRAME_TYPES.ping)!.frame
    })
    const bodies = pings.map((frame) => Buffer.from(frame).subarray(8).readBigUInt64BE())
    expect(new Set(bodies).size).toBe(3)
    for (const body of bodies) expect(body).toBeGreaterThan(2n ** 40n) // wrong once in millions of runs
  })

  test('is dead after the silence of a peer that does not answer, and not before', () => {
    pair.run()
    pair.pass(SILENCE_LIMIT_MS - 1000, [pair.a], false)
    expect(pair.a.fault).toBeUndefined()
    expect(sent(pair.a).filter((frame) => frame === '9:0').length).toBe(2)
    pair.pass(1000, [pair.a], false)
    expect(pair.a.fault?.code).toBe('link-silent')
  })

  test('takes late and doubled PONGs of its own PINGs, but none that it never asked for', () => {
    pair.run()
    const { a, b } = pair
    a.link.ping(1000)
    a.link.ping(2000)
    for (const chunk of a.link.pull(4096, 0)) b.link.receive(chunk, 2000)
    const pongs = b.link.pull(4096, 0)
    for (const chunk of pongs) a.link.receive(chunk, 2000)
    expect(a.fault).toBeUndefined()
    for (const chunk of pongs) a.link.receive(chunk, 2000)
    expect(a.fault?.code).toBe('link-protocol')
  })

  test.each([
    ['a PING', FRAME_TYPES.ping],
    ['a PONG', FRAME_TYPES.pong],
    ['an ACK', FRAME_TYPES.ack],
  ])('does not take %s of the wrong length', (_what, type) => {
    for (const length of [0, 7, 9]) {
      const side = linkSide()
      side.link.receive(hello(), 0)
      side.link.ping(0)
      side.link.receive(encodeFrame(type, 0, new Uint8Array(length)), 0)
      expect(side.fault?.code).toBe('link-protocol')
    }
  })
})

describe('a peer that makes us answer and does not read', () => {
  test.each([
    ['PINGs', () => encodeFrame(FRAME_TYPES.ping, 0, new Uint8Array(8))],
    ['circuits beyond the limit', (i: number) => concatBytes(cellFrame(create, 2 * i + 1, 3), closeFrame(2 * i + 1))],
  ])('is cut off before it fills our memory: %s', (_what, frame) => {
    const side = linkSide({ initiator: false, maxCircuits: 0x7fff_ffff })
    side.onCircuit = (end) => end.abort()
    side.link.receive(hello(), 0)
    let most = 0
    for (let i = 0; side.fault === undefined && i < 1_000_000; i++) {
      side.link.receive(frame(i), 0)
      most = Math.max(most, side.link.queuedControlBytes)
    }
    expect(most).toBeLessThan(MAX_QUEUED_CONTROL_BYTES + 1024)
    expect(side.fault?.code).toBe('link-protocol')
    expect(side.link.queuedControlBytes).toBe(0)
  })
})

describe('a link and any bytes', () => {
  test('never throws, and ends for good when it ends', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(hello(), closeFrame(1), closeFrame(2), creditFrame(1), cellFrame(cell, 1), cellFrame(answer, 2)),
      fc.constantFrom(
        cellFrame(create, 1, 3),
        cellFrame(create, 3, 1),
        cellFrame(create, 2, 3),
        cellFrame(switchType, 1),
      ),
      fc.constant(encodeFrame(FRAME_TYPES.ping, 0, new Uint8Array(8))),
      fc.nat({ max: 10_000 }).map(ackFrame),
      fc.constantFrom(...Object.values(CELL_FLAGS)).map((flags) => {
        const frame = cellFrame(cell, 1)
        frame[2] = flags
        return frame
      }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.boolean(), (pieces, initiator) => {
        const side = linkSide({ initiator, maxCircuits: 3 })
        open(side)
        side.onCircuit = (end) => (end.id % 3 === 0 ? end.abort() : end.close())
        if (pieces.length % 4 !== 0) side.link.receive(hello(), 0)
        for (const bytes of pieces) {
          side.link.receive(bytes, 0)
          if (bytes.length % 2 === 0) side.link.pull(4096, 0)
          side.link.tick(0)
        }
        if (side.fault !== undefined) {
          expect([side.link.closed, side.link.circuitCount, side.link.heldBytes]).toEqual([true, 0, 0])
          expect(side.link.pull(4096, 0)).toEqual([])
        }
      }),
      { numRuns: 1000 },
    )
  })
})
