import { createHash } from 'node:crypto'
import type { Random } from '../../shared/base/random.ts'

/**
 * Chance that is the same for the same seed, fast enough for some hundred million draws: the generator sfc32, its state
 * from SHA-256 of the seed. For simulations only.
 */
export class SimRandom implements Random {
  #a: number
  #b: number
  #c: number
  #counter: number

  constructor(seed: string) {
    const hash = createHash('sha256').update(seed).digest()
    this.#a = hash.readInt32LE(0)
    this.#b = hash.readInt32LE(4)
    this.#c = hash.readInt32LE(8)
    this.#counter = 1
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** From 0 up to, not including, 1. */
  unit(): number {
    return this.#next() / 2 ** 32
  }

  below(limit: number): number {
    return Math.floor(((this.#next() * 2 ** 21 + (this.#next() >>> 11)) / 2 ** 53) * limit)
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() >>> 24)
  }

  /** A draw from the normal distribution (Box-Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit())
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }
}
