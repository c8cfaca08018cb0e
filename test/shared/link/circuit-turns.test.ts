import { describe, expect, test } from '@jest/globals'
import { CELL_TYPES, type CellClass, newFrame } from '../../../shared/cell/cell.ts'
import { CircuitEnd, type CircuitLink } from '../../../shared/link/circuit-end.ts'
import { CircuitTurns } from '../../../shared/link/circuit-turns.ts'

const ROOM = 1024 * 1024

class Turns {
  readonly turns = new CircuitTurns()
  readonly sent = new Map<CircuitEnd, number>()
  #ids = 0
  readonly #link: CircuitLink = {
    ready: (end) => this.turns.add(end),
    ...{ owes() {}, held() {}, isRoomy: () => true, closeNow() {}, forget() {} },
  }

  open(group: object): CircuitEnd {
    return new CircuitEnd(++this.#ids, this.#link, true, group)
  }

  send(end: CircuitEnd, count: number, cellClass: CellClass = 4): void {
    for (let i = 0; i < count; i++) end.send(CELL_TYPES.cell, newFrame(cellClass))
  }

  /** Sends one cell; of which circuit. */
  take(room = ROOM): CircuitEnd | undefined {
    const end = this.turns.next(room)
    if (end === undefined) return undefined
    const bytes = end.takeFrame()?.length ?? 8
    this.turns.spend(end, bytes)
    this.sent.set(end, (this.sent.get(end) ?? 0) + bytes)
    return end
  }
}

describe('turns of circuits', () => {
  test('give each group one share, however many circuits it has', () => {
    const scene = new Turns()
    const [crowd, few] = [{}, {}]
    const many = Array.from({ length: 50 }, () => scene.open(crowd))
    const two = Array.from({ length: 2 }, () => scene.open(few))
    for (const end of [...many, ...two]) scene.send(end, 8)
    for (let i = 0; i < 30; i++) scene.take()
    const sum = (ends: CircuitEnd[]): number => ends.reduce((bytes, end) => bytes + (scene.sent.get(end) ?? 0), 0)
    expect(Math.abs(sum(many) - sum(two))).toBeLessThanOrEqual(2 * 16384)
    expect(two.map((end) => scene.sent.get(end))).toEqual([7, 8].map(() => expect.any(Number)))
    expect(Math.max(...many.map((end) => scene.sent.get(end) ?? 0))).toBe(16384)
  })

  test('give a circuit that was quiet the next turn of its group', () => {
    const scene = new Turns()
    const group = {}
    const bulk = Array.from({ length: 10 }, () => scene.open(group))
    for (const end of bulk) scene.send(end, 8)
    for (let i = 0; i < 13; i++) scene.take()
    const quiet = scene.open(group)
    scene.send(quiet, 1, 1)
    expect(scene.take()).toBe(quiet)
  })

  test('let a quiet circuit go beyond a full window by 16 KiB, and no other', () => {
    const scene = new Turns()
    const group = {}
    const bulk = scene.open(group)
    scene.send(bulk, 8)
    scene.take()
    scene.take()
    expect(scene.take(0)).toBeUndefined()
    const quiet = scene.open(group)
    scene.send(quiet, 2, 1)
    expect(scene.take(-16384)).toBeUndefined()
    expect(scene.take(-16383)).toBe(quiet)
    expect(scene.take(1)).toBe(quiet)
    expect(scene.take(1)).toBe(bulk)
  })

  test('pass over circuits that ended, and come to rest', () => {
    const scene = new Turns()
    const [one, other] = [scene.open({}), scene.open({})]
    for (const end of [one, other]) scene.send(end, 3)
    one.abort()
    expect([scene.take(), scene.take(), scene.take(), scene.take()]).toEqual([other, other, other, undefined])
    expect(scene.turns.isEmpty).toBe(true)
  })

  test('come for the CLOSE of a circuit, and not again', () => {
    const scene = new Turns()
    const end = scene.open({})
    scene.send(end, 1)
    end.close()
    expect([scene.take(), end.status]).toEqual([end, 'closing'])
    expect([scene.take(), end.status]).toEqual([end, 'closed'])
    expect(scene.take()).toBeUndefined()
  })
})
