import type { ByteReader } from '../../../shared/base/byte-reader.ts'
import { isCellType } from '../../../shared/link/frame.ts'
import type { Tamper } from '../../support/memory-network.ts'

type Change = (frame: Uint8Array, before: Uint8Array | undefined) => Uint8Array[]

/** Changes the next frames on their way, as hubs and wires can that are evil. Each change is made once. */
export class Tampering {
  readonly #due: { readonly way: number; readonly change: Change }[] = []
  readonly #before = new Map<number, Uint8Array>()
  readonly #parties: readonly string[]
  /** Changes made so far. */
  made = 0

  constructor(parties: readonly string[]) {
    this.#parties = parties
  }

  /** What the input asks for: the way (between which parties, in which direction), what is done, where, how. */
  plan(input: ByteReader): void {
    const way = input.u8() % (2 * (this.#parties.length - 1))
    const kind = input.u8() % CHANGES.length
    const at = input.u16()
    const bits = input.u8()
    const change = CHANGES[kind]
    if (change !== undefined) this.#due.push({ way, change: change(at, bits) })
  }

  readonly tamper: Tamper = (header, frame, from, to) => {
    const [first, second] = [this.#parties.indexOf(from), this.#parties.indexOf(to)]
    const way = 2 * Math.min(first, second) + (first < second ? 0 : 1)
    const before = this.#before.get(way)
    if (isCellType(header.type)) this.#before.set(way, frame.slice())
    const at = this.#due.findIndex((due) => due.way === way)
    const [due] = at < 0 || header.type === 0 ? [] : this.#due.splice(at, 1)
    if (due === undefined) return [frame]
    this.made++
    return due.change(frame, before)
  }
}

const CHANGES: readonly ((at: number, bits: number) => Change)[] = [
  () => () => [],
  () => (frame) => [frame, frame.slice()],
  (at, bits) => (frame) => [withByte(frame, at % frame.length, bits)],
  (at, bits) => (frame) => [withByte(frame, at % 8, bits)],
  () => (frame, before) => (before === undefined ? [frame] : [before, frame]),
  () => (frame, before) => (before === undefined ? [] : [frame, before]),
  (at) => (frame) => [frame.slice(0, at % frame.length)],
  (at, bits) => (frame) => [withByte(frame, frame.length - 1 - (at % Math.min(frame.length, 64)), bits)],
  (_at, bits) => (frame) => [frame, Uint8Array.of(bits % 11, 0, 0, 0, ...frame.subarray(4, 8))],
]

function withByte(frame: Uint8Array, at: number, bits: number): Uint8Array {
  const changed = frame.slice()
  changed[at] = (changed[at] as number) ^ (bits === 0 ? 1 : bits)
  return changed
}
