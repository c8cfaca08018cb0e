import { beforeEach, describe, expect, test } from '@jest/globals'
import { CELL_TYPES, type CellClass, newFrame } from '../../../shared/cell/cell.ts'
import { CircuitEnd } from '../../../shared/link/circuit-end.ts'
import { CREDIT_QUANTUM_BYTES, INITIAL_CREDIT_BYTES } from '../../../shared/link/credit.ts'
import { CELL_FLAGS } from '../../../shared/link/frame.ts'
import { RecordingHandler } from '../../support/link-pair.ts'

const { cell, create } = CELL_TYPES
const CELLS = INITIAL_CREDIT_BYTES / 16384
const body = (bytes = 504): Uint8Array => new Uint8Array(bytes)

class RecordingLink {
  readonly calls: string[] = []
  readonly ready = (): void => void this.calls.push('ready')
  heldBytes = 0
  roomy = true
  /** Grants at once what is owed, as a link does to whose peer nobody else is waiting. */
  readonly owes = (end: CircuitEnd): void => {
    while (end.owes) this.calls.push(`credit ${end.grant(true)}`)
  }
  readonly held = (bytes: number): void => {
    this.heldBytes += bytes
  }
  readonly isRoomy = (): boolean => this.roomy
  readonly closeNow = (): void => void this.calls.push('close')
  readonly forget = (): void => void this.calls.push('forget')
}

let link: RecordingLink
let handler: RecordingHandler
let end: CircuitEnd

beforeEach(() => {
  link = new RecordingLink()
  handler = new RecordingHandler()
  end = new CircuitEnd(7, link, true)
  end.attach(handler)
})

/** Takes all that may go out now, as the link does. */
function takeAll(from: CircuitEnd): number {
  let frames = 0
  while (from.sendable && from.takeFrame() !== undefined) frames++
  return frames
}

describe('the queue of a circuit end', () => {
  test('keeps the order of frames and writes the header of each', () => {
    for (const fill of [1, 2, 3]) end.send(cell, newFrame(1).fill(fill))
    const taken = [end.takeFrame(), end.takeFrame(), end.takeFrame()]
    expect(taken.map((frame) => frame?.[100])).toEqual([1, 2, 3])
    expect([...(taken[0] as Uint8Array).subarray(0, 8)]).toEqual([cell, 1, CELL_FLAGS.backlogged, 0, 0, 0, 0, 7])
    expect([...(taken[2] as Uint8Array).subarray(0, 8)]).toEqual([cell, 1, 0, 0, 0, 0, 0, 7])
  })

  test.each<[string, readonly CellClass[], readonly number[]]>([
    ['nothing follows', [1], [0]],
    ['more follows at once', [4, 1], [CELL_FLAGS.backlogged, 0]],
    [
      'what follows has no credit',
      [4, 4, 4, 4, 4, 4, 4, 4, 4],
      [...Array<number>(CELLS - 1).fill(CELL_FLAGS.backlogged), CELL_FLAGS.starved],
    ],
    [
      'there is credit, but not for a large cell',
      [...Array<CellClass>(CELLS - 1).fill(4), 1],
      [...Array<number>(CELLS - 1).fill(CELL_FLAGS.backlogged), CELL_FLAGS.starved],
    ],
  ])('says in each cell what waits behind it: %s', (_what, classes, flags) => {
    for (const cellClass of classes) end.send(cell, newFrame(cellClass))
    const seen: number[] = []
    while (end.sendable) seen.push(end.takeFrame()?.[2] as number)
    expect(seen).toEqual(flags)
  })

  test('refuses a frame that has no size of a cell', () => {
    expect(() => end.send(cell, new Uint8Array(513))).toThrow(RangeError)
  })

  test('sends to the last byte of its credit and no further, and says when there is room again', () => {
    for (let i = 1; i < CELLS; i++) expect(end.send(cell, newFrame(4))).toBe(true)
    expect(end.send(cell, newFrame(4))).toBe(false)
    expect(end.room).toBe(0)
    end.send(cell, newFrame(1))
    expect(takeAll(end)).toBe(CELLS)
    expect(end.sendable).toBe(false)
    expect(handler.rooms).toBe(0)
    expect(end.receiveCredit()).toBe(true)
    expect(handler.rooms).toBe(1)
    expect(takeAll(end)).toBe(1)
  })

  test('does not call for room that never ran out', () => {
    end.send(cell, newFrame(4))
    for (let i = 0; i < 4; i++) end.send(cell, newFrame(4))
    takeAll(end)
    expect(end.receiveCredit()).toBe(true)
    expect(handler.rooms).toBe(0)
  })

  test('calls credit a lie that is granted for what still waits here', () => {
    for (let i = 0; i < 8; i++) end.send(cell, newFrame(4))
    expect(end.receiveCredit()).toBe(false)
  })
})

describe('what a circuit end receives', () => {
  test('counts until it is released, whole frames, and never beyond the credit', () => {
    for (let i = 0; i < CELLS; i++) expect(end.receive(cell, 4, body(16376))).toBe(true)
    expect(end.heldBytes).toBe(INITIAL_CREDIT_BYTES)
    expect(end.receive(cell, 1, body())).toBe(false)
    expect(handler.cells).toHaveLength(CELLS)
    end.release(CREDIT_QUANTUM_BYTES - 1)
    expect(link.calls).toEqual([])
    end.release(1 + CREDIT_QUANTUM_BYTES)
    expect(link.calls).toEqual(['credit 1', 'credit 1'])
  })

  test('lets the window grow while the peer has used up its credit, and not while it has some left', () => {
    const last = CELLS - 1
    for (let i = 0; i <= last; i++)
      end.receive(cell, 4, body(16376), i < last ? CELL_FLAGS.backlogged : CELL_FLAGS.starved)
    end.release(INITIAL_CREDIT_BYTES)
    expect(link.calls).toEqual(['credit 2', 'credit 2'])
    end.receive(cell, 4, body(16376), CELL_FLAGS.backlogged)
    end.release(16384)
    for (let i = 0; i < 3; i++) end.receive(cell, 4, body(16376))
    end.release(3 * 16384)
    expect(link.calls.at(-1)).toBe('credit 1')
  })

  test('is owed to a circuit that holds much only while there is memory', () => {
    for (let i = 0; i < CELLS; i++) end.receive(cell, 4, body(16376), CELL_FLAGS.starved)
    end.release(INITIAL_CREDIT_BYTES) // the window is twice as large now
    for (let i = 0; i < 2 * CELLS; i++) expect(end.receive(cell, 4, body(16376))).toBe(true)
    link.roomy = false
    const before = link.calls.length
    end.release(2 * INITIAL_CREDIT_BYTES - CREDIT_QUANTUM_BYTES - 1)
    expect([end.owes, link.calls.length]).toEqual([false, before])
    end.release(1)
    expect(link.calls.slice(before)).toEqual(['credit 1', 'credit 1', 'credit 1'])
  })

  test('gives no credit twice for the same bytes', () => {
    for (let i = 0; i < 4; i++) end.receive(cell, 4, body(16376))
    for (let i = 0; i < 3; i++) end.release(CREDIT_QUANTUM_BYTES)
    expect(link.calls).toEqual(['credit 1'])
  })
})

type Step = (subject: CircuitEnd) => void
const STEPS: Readonly<Record<string, Step>> = {
  send: (subject) => void subject.send(cell, newFrame(1)),
  release: (subject) => subject.release(CREDIT_QUANTUM_BYTES),
  close: (subject) => subject.close(),
  abort: (subject) => subject.abort(),
  'a cell': (subject) => void subject.receive(cell, 1, body()),
  'a CREDIT': (subject) => void subject.receiveCredit(),
  'a CLOSE': (subject) => subject.receiveClose(),
  'its turn': (subject) => void (subject.sendable && subject.takeFrame()),
  attach: (subject) => subject.attach(new RecordingHandler()),
}
const STATES: Readonly<Record<string, readonly string[]>> = {
  open: [],
  'open, with a frame queued': ['send'],
  'closing, with a frame queued': ['send', 'close'],
  closing: ['close'],
  'closed by itself': ['abort'],
  'closed by the peer': ['a CLOSE'],
}
/** What the handler and the link are told in each state, beyond what led there. The CREDIT is one for nothing. */
const TOLD: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  open: {
    send: 'ready',
    close: 'ready',
    abort: 'close',
    'a cell': 'onCell',
    'a CLOSE': 'onClosed',
  },
  'open, with a frame queued': {
    send: 'ready',
    close: 'ready',
    abort: 'close',
    'a cell': 'onCell',
    'a CLOSE': 'onClosed',
  },
  'closing, with a frame queued': { abort: 'close' },
  closing: { abort: 'close' },
  'closed by itself': {},
  'closed by the peer': {},
}

describe('every event in every state', () => {
  test.each(Object.keys(STATES).flatMap((state) => Object.keys(STEPS).map((step) => [state, step] as const)))(
    '%s: %s',
    (state, step) => {
      for (const before of STATES[state] as readonly string[]) (STEPS[before] as Step)(end)
      const counts = [link.calls.length, handler.cells.length, handler.closes, handler.rooms] as const
      const status = end.status
      ;(STEPS[step] as Step)(end)
      const told = [
        ...link.calls.slice(counts[0]),
        ...Array<string>(handler.cells.length - counts[1]).fill('onCell'),
        ...Array<string>(handler.closes - counts[2]).fill('onClosed'),
        ...Array<string>(handler.rooms - counts[3]).fill('onRoom'),
      ].join(', ')
      expect(told).toBe(TOLD[state]?.[step] ?? '')
      const order = ['open', 'closing', 'closed']
      expect(order.indexOf(end.status)).toBeGreaterThanOrEqual(order.indexOf(status)) // there is no way back
    },
  )
})

describe('the end of a circuit', () => {
  test('waits for what is queued, then gives its turn to the CLOSE', () => {
    end.send(cell, newFrame(1))
    end.close()
    expect(end.takeFrame()).toBeDefined()
    expect(end.status).toBe('closing')
    expect(end.takeFrame()).toBeUndefined()
    expect(end.status).toBe('closed')
  })

  test('at once drops what is queued', () => {
    end.send(cell, newFrame(1))
    end.abort()
    expect(end.sendable).toBe(false)
    expect(end.heldBytes).toBe(0)
  })

  test('leaves nothing that counts, also of what comes in afterwards', () => {
    end.receive(cell, 4, body(16376))
    end.byteSeconds = 1
    end.abort()
    expect(end.receive(cell, 4, body(16376))).toBe(true)
    expect([end.heldBytes, end.byteSeconds, link.heldBytes]).toEqual([0, 0, 0])
  })

  test('does not take what comes while it is closing, and counts what its owner still works on', () => {
    end.send(cell, newFrame(1))
    end.receive(cell, 4, body(16376))
    end.close()
    end.receive(cell, 4, body(16376))
    expect([end.heldBytes, link.heldBytes]).toEqual([512 + 16384, 512 + 16384])
    end.release(16384)
    expect([end.heldBytes, link.heldBytes]).toEqual([512, 512])
    expect(link.calls).toEqual(['ready', 'ready'])
  })

  test('of a relay counts what it still has to send, and no longer what came in and counted until it went on', () => {
    const relayed = new CircuitEnd(9, link, true)
    relayed.attach(handler, true)
    relayed.send(cell, newFrame(4))
    relayed.receive(cell, 3, body(4088))
    expect([relayed.heldBytes, link.heldBytes]).toEqual([4096, 4096])
    relayed.close()
    expect([relayed.heldBytes, link.heldBytes]).toEqual([16384, 16384])
    relayed.takeFrame()
    expect([relayed.heldBytes, link.heldBytes]).toEqual([0, 0])
  })

  test('for the memory is told to the owner as one at once', () => {
    const told: boolean[] = []
    end.attach({ ...{ onCell() {}, onSent() {}, onRoom() {} }, onClosed: (atOnce) => void told.push(atOnce) })
    end.receive(cell, 4, body(16376))
    end.shed()
    end.shed()
    expect([told, link.calls, end.heldBytes, link.heldBytes]).toEqual([[true], ['close'], 0, 0])
  })

  test('tells the owner once, and never again', () => {
    end.receiveClose()
    end.receiveClose()
    end.receive(cell, 1, body())
    end.sent(512)
    expect([handler.closes, handler.cells.length, handler.sent]).toEqual([1, 0, 0])
  })

  test('may be asked for by the owner in the very call that tells of it', () => {
    const subject = new CircuitEnd(9, link, true)
    const calls: string[] = []
    subject.attach({
      ...{ onCell: () => subject.abort(), onSent() {}, onRoom: () => subject.close() },
      onClosed: () => {
        calls.push('closed')
        subject.close()
        subject.abort()
        subject.send(cell, newFrame(1))
        subject.release(1)
      },
    })
    expect(subject.receive(cell, 1, body())).toBe(true)
    expect(subject.status).toBe('closed')
    subject.receiveClose()
    expect([calls, link.calls]).toEqual([[], ['close']])
  })

  test.each(['close', 'abort'] as const)('of which the peer never heard goes without a CLOSE (%s)', (how) => {
    const own = new CircuitEnd(1, link, false)
    own[how]()
    expect([own.status, link.calls]).toEqual(['closed', ['forget']])
  })

  test('drops a CREATE that did not go out yet, at once, and sends it first when there is time', () => {
    const atOnce = new CircuitEnd(1, link, false)
    atOnce.send(create, newFrame(3))
    atOnce.abort()
    expect(link.calls).toEqual(['ready', 'forget'])
    const inTime = new CircuitEnd(3, link, false)
    inTime.send(create, newFrame(3))
    inTime.close()
    expect(inTime.takeFrame()?.[0]).toBe(create)
    inTime.abort()
    expect(link.calls.at(-1)).toBe('close')
  })
})
