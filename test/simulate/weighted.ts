import type { SimRandom } from './sim-random.ts'

/** Weights of ranks 1 to `count` under Zipf's law: 1 / rank^exponent. */
export function zipfWeights(count: number, exponent: number): number[] {
  return Array.from({ length: count }, (_, i) => 1 / (i + 1) ** exponent)
}

/** Draws positions of a list of weights, each as often as its weight says. */
export class Weighted {
  readonly #sums: Float64Array

  constructor(weights: readonly number[]) {
    if (weights.length === 0) throw new RangeError('there must be something to draw')
    this.#sums = new Float64Array(weights.length)
    let sum = 0
    weights.forEach((weight, i) => {
      sum += weight
      this.#sums[i] = sum
    })
  }

  draw(random: SimRandom): number {
    const point = random.unit() * (this.#sums.at(-1) as number)
    let low = 0
    let high = this.#sums.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#sums[middle] as number) > point) high = middle
      else low = middle + 1
    }
    return low
  }
}
