import { describe, expect, test } from '@jest/globals'
import { CELL_TYPES, FRAME_HEADER_BYTES, newFrame } from '../../shared/cell/cell.ts'
import type { CircuitEnd } from '../../shared/link/circuit-end.ts'
import { MemoryLedger } from '../../shared/link/memory-ledger.ts'
import { LinkPair, type LinkSide } from '../support/link-pair.ts'

const { create, cell } = CELL_TYPES
const CAP = 16 * 1024 * 1024
const IGNORES = { onCell() {}, onSent() {}, onRoom() {}, onClosed() {} }

/** A hub with the link of a sniper, who sends on 1,000 circuits whose reader stops, and one of an honest user. */
class Scene {
  readonly ledger = new MemoryLedger(CAP)
  readonly sniper = new LinkPair({ maxCircuits: 2000 }, { maxCircuits: 2000, ledger: this.ledger })
  readonly honest = new LinkPair({ maxCircuits: 2000 }, { maxCircuits: 2000, ledger: this.ledger })
  readonly shots: CircuitEnd[] = []
  readonly ended: number[] = []
  honestBytes = 0
  honestCloses = 0
  most = 0

  constructor() {
    this.sniper.b.onCircuit = (end) => end.attach({ ...IGNORES, onClosed: () => void this.ended.push(end.id) })
    this.honest.b.onCircuit = (end) =>
      end.attach({
        ...IGNORES,
        onCell: (_type, _class, body) => {
          this.honestBytes += body.length
          end.release(FRAME_HEADER_BYTES + body.length)
        },
        onClosed: () => {
          this.honestCloses++
        },
      })
    for (let i = 0; i < 20; i++) this.#always(this.#open(this.honest.a))
  }

  /** @param cells so many large ones, or all that may be sent */
  shoot(cells?: number): void {
    const end = this.#open(this.sniper.a)
    this.shots.push(end)
    if (cells === undefined) this.#always(end)
    else for (let i = 0; i < cells; i++) end.send(cell, newFrame(4))
  }

  /** One step of 100 ms, in which each link carries 256 KiB. */
  step(): void {
    for (const pair of [this.sniper, this.honest]) {
      pair.now += 100
      for (let i = 0; i < 4; i++) {
        pair.move(pair.a, pair.b)
        pair.move(pair.b, pair.a)
        this.most = Math.max(this.most, this.ledger.heldBytes)
      }
      if (pair.now % 1000 === 0) for (const { link } of [pair.a, pair.b]) link.tick(pair.now)
    }
  }

  #open(side: LinkSide): CircuitEnd {
    const end = side.link.openCircuit()
    end.send(create, newFrame(3))
    return end
  }

  #always(end: CircuitEnd): void {
    const fill = (): void => {
      while (end.room > 0 && end.send(cell, newFrame(4)));
    }
    end.attach({ ...IGNORES, onRoom: fill, onSent: fill })
    fill()
  }
}

describe('a sniper, who makes a hub hold the bytes of 1,000 circuits that nobody reads', () => {
  test('can not get it above its cap by more than 5 %, nor take a tenth of what others get', () => {
    const alone = new Scene()
    for (let i = 0; i < 300; i++) alone.step()
    const scene = new Scene()
    for (let i = 0; i < 1000; i++) scene.shoot()
    for (let i = 0; i < 300; i++) scene.step()
    expect(scene.most).toBeGreaterThan(0.75 * CAP) // the attack was one
    expect(scene.most).toBeLessThanOrEqual(1.05 * CAP)
    expect(scene.ledger.shedCount).toBeGreaterThan(0)
    expect(scene.ended.length).toBe(scene.ledger.shedCount)
    expect(scene.honestCloses).toBe(0)
    expect(alone.honestBytes).toBeGreaterThan(0)
    expect(scene.honestBytes).toBeGreaterThanOrEqual(0.9 * alone.honestBytes)
  })

  test('loses first what is held for longest, the fullest of it before the others', () => {
    const scene = new Scene()
    for (let i = 0; i < 50; i++) scene.shoot(i < 25 ? 2 : 4) // 2.4 MB, less on each than on those below
    for (let i = 0; i < 100; i++) scene.step()
    expect([scene.ended, scene.ledger.heldBytes > 2_000_000]).toEqual([[], true])
    const old = new Set(scene.shots.slice(25).map(({ id }) => id))
    for (let i = 0; i < 150; i++) scene.shoot() // 19 MB, more on each than on those
    for (let i = 0; i < 300 && scene.ended.length < 20; i++) scene.step()
    expect(scene.ended.length).toBeGreaterThanOrEqual(20)
    expect(scene.ended.slice(0, 20).filter((id) => !old.has(id))).toEqual([])
  })
})
