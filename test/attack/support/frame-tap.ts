import type { FrameHeader } from '../../../shared/link/frame.ts'
import { encodeFrame, FRAME_TYPES } from '../../../shared/link/frame.ts'
import type { MemoryNetwork } from '../../support/memory-network.ts'

type Change = (frame: Uint8Array, index: number) => Uint8Array

/** Sits on all wires of a network: keeps what crosses them, as it was sent, and changes what an evil hub would. */
export class FrameTap {
  changed = 0
  /** Id of the last circuit that b opened towards c. */
  lastId = 0
  readonly #seen: { wire: string; header: FrameHeader; frame: Uint8Array }[] = []
  readonly #changes: ((wire: string, header: FrameHeader, frame: Uint8Array) => Uint8Array[] | undefined)[] = []
  #closeLeft: string | undefined

  constructor(network: MemoryNetwork) {
    network.tamper = (header, frame, from, to) => {
      const wire = `${from}>${to}`
      if (header.type !== FRAME_TYPES.pad) this.#seen.push({ wire, header, frame: frame.slice() })
      if (wire === 'b>c' && header.type === FRAME_TYPES.create) this.lastId = header.circuitId
      for (const change of this.#changes) {
        const changed = change(wire, header, frame)
        if (changed !== undefined) return changed
      }
      return [frame]
    }
  }

  /** Forgets what was seen, and stops to close circuits. */
  forget(): void {
    this.#seen.length = 0
    this.#closeLeft = undefined
  }

  frames(wire: string, type: number): Uint8Array[] {
    return this.#seen.filter((seen) => seen.wire === wire && seen.header.type === type).map(({ frame }) => frame)
  }

  /** All frames that crossed this wire, without padding and greetings. */
  all(wire: string): Uint8Array[] {
    return this.#seen
      .filter((seen) => seen.wire === wire && seen.header.type !== FRAME_TYPES.hello)
      .map(({ frame }) => frame)
  }

  /** Changes each frame of this type on this wire. */
  change(wire: string, type: number, change: Change): void {
    this.#changes.push((on, header, frame) =>
      on === wire && header.type === type ? [change(frame, this.changed++)] : undefined,
    )
  }

  /** Keeps frames of this type from this wire in a list, for the test to deliver. */
  hold(wire: string, type: number): Uint8Array[] {
    const held: Uint8Array[] = []
    this.#changes.push((on, header, frame) => {
      if (on !== wire || header.type !== type) return undefined
      held.push(frame)
      return []
    })
    return held
  }

  /** One circuit between these two hubs has another id for the second. */
  renumber(from: string, to: string, chosen: number): void {
    let own: number | undefined
    const withId = (frame: Uint8Array, id: number): Uint8Array[] => {
      new DataView(frame.buffer, frame.byteOffset).setUint32(4, id)
      return [frame]
    }
    this.#changes.push((wire, header, frame) => {
      if (header.circuitId === 0) return undefined
      if (wire === `${from}>${to}`) {
        own ??= header.circuitId
        return withId(frame, chosen)
      }
      return wire === `${to}>${from}` ? withId(frame, own as number) : undefined
    })
  }

  /** Each CREATE on this wire has a CLOSE right behind it, and nothing else follows, until `forget`. */
  closeAtOnce(wire: string): void {
    this.#closeLeft = wire
    const closed = new Set<number>()
    this.#changes.push((on, header, frame) => {
      if (on !== wire || header.circuitId === 0) return undefined
      if (closed.has(header.circuitId)) return []
      if (this.#closeLeft === undefined || header.type !== FRAME_TYPES.create) return undefined
      closed.add(header.circuitId)
      return [frame, encodeFrame(FRAME_TYPES.close, header.circuitId, new Uint8Array(0))]
    })
  }
}

/** How far the bytes are from each value coming as often as the others. */
export function chiSquare(bytes: Uint8Array): number {
  const counts = new Float64Array(256)
  for (const byte of bytes) counts[byte] = (counts[byte] as number) + 1
  const expected = bytes.length / 256
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}
