import type { Fault } from '../../shared/base/fault.ts'
import type { Random } from '../../shared/base/random.ts'
import type { CellClass, CellType } from '../../shared/cell/cell.ts'
import type { CircuitEnd, CircuitHandler } from '../../shared/link/circuit-end.ts'
import { type FrameHeader, readFrameHeader } from '../../shared/link/frame.ts'
import { FrameReader } from '../../shared/link/frame-reader.ts'
import { Link, type LinkOptions } from '../../shared/link/link.ts'
import { MemoryLedger } from '../../shared/link/memory-ledger.ts'

export const LINK_NETWORK_ID = new Uint8Array(32).fill(9)

/** Ids of circuits that can be told beforehand: 1, 3, 5 from the side that dialled, 2, 4, 6 from the other. */
function countedIds(): Random {
  let count = 0
  return { below: () => count++, bytes: (length) => new Uint8Array(length).fill(++count) }
}

/** What one side of a link was told. */
export interface LinkSide {
  readonly link: Link
  readonly circuits: { end: CircuitEnd; cellClass: CellClass; body: Uint8Array }[]
  readonly control: Uint8Array[]
  ready: number
  wakes: number
  laterWakes: number
  fault: Fault | undefined
  /** What to do with a circuit that the peer opens. */
  onCircuit: (end: CircuitEnd) => void
}

export function linkSide(options: Partial<LinkOptions> = {}, now = 0): LinkSide {
  const side: Omit<LinkSide, 'link'> = {
    circuits: [],
    control: [],
    ready: 0,
    wakes: 0,
    laterWakes: 0,
    fault: undefined,
    onCircuit: () => {},
  }
  const link = new Link(
    {
      networkId: LINK_NETWORK_ID,
      initiator: true,
      maxCircuits: 100,
      ledger: new MemoryLedger(Number.POSITIVE_INFINITY),
      random: countedIds(),
      ...options,
    },
    {
      wake: () => {
        side.wakes++
      },
      wakeLater: () => {
        side.laterWakes++
      },
      ready: () => {
        side.ready++
      },
      circuit: (end, cellClass, body) => {
        side.circuits.push({ end, cellClass, body: body.slice() })
        side.onCircuit(end)
      },
      control: (bytes) => side.control.push(bytes.slice()),
      closed: (fault) => {
        side.fault = fault
      },
    },
    now,
  )
  return Object.assign(side, { link })
}

/** Both ends of one link, in virtual time. Bytes move when `run` is called. */
export class LinkPair {
  readonly a: LinkSide
  readonly b: LinkSide
  now = 0

  constructor(a: Partial<LinkOptions> = {}, b: Partial<LinkOptions> = {}) {
    this.a = linkSide({ initiator: true, ...a })
    this.b = linkSide({ initiator: false, ...b })
  }

  /** Moves what one side has to say, once. */
  move(from: LinkSide, to: LinkSide, limit = 64 * 1024): boolean {
    const chunks = from.link.pull(limit, this.now)
    for (const chunk of chunks) to.link.receive(chunk, this.now)
    return chunks.length > 0
  }

  run(): void {
    for (let i = 0; i < 10_000; i++) {
      const moved = this.move(this.a, this.b)
      if (!this.move(this.b, this.a) && !moved) return
    }
    throw new Error('the pair does not come to rest')
  }

  /** Time passes, in steps of a second. */
  pass(ms: number, who: readonly LinkSide[] = [this.a, this.b], flows = true): void {
    for (let left = ms; left > 0; left -= 1000) {
      this.now += Math.min(1000, left)
      for (const side of who) side.link.tick(this.now)
      if (flows) this.run()
    }
  }
}

/** A handler that writes down what it is told. */
export class RecordingHandler implements CircuitHandler {
  readonly cells: { type: CellType; cellClass: CellClass; body: Uint8Array }[] = []
  sent = 0
  rooms = 0
  closes = 0

  onCell(type: CellType, cellClass: CellClass, body: Uint8Array): void {
    this.cells.push({ type, cellClass, body: body.slice() })
  }

  onSent(bytes: number): void {
    this.sent += bytes
  }

  onRoom(): void {
    this.rooms++
  }

  onClosed(): void {
    this.closes++
  }
}

/** The frames in what a link gave to write, without the padding. */
export function framesOf(chunks: readonly Uint8Array[]): { header: FrameHeader; frame: Uint8Array }[] {
  const frames: { header: FrameHeader; frame: Uint8Array }[] = []
  const reader = new FrameReader()
  for (const chunk of chunks) {
    const ok = reader.push(chunk, (header, frame) => {
      if (header.type !== 0) frames.push({ header, frame: frame.slice() })
      return true
    })
    if (!ok) throw new Error(`not a frame: ${JSON.stringify(readFrameHeader(chunk, 0))}`)
  }
  return frames
}
