import type { DirectFlow } from '../../client/interception/interception-api.ts'

/** A flow past the network as the system knows it. */
export class TestDirectFlow implements DirectFlow {
  alive = true
  ended = 0

  isAlive(): boolean {
    return this.alive
  }

  end(): void {
    this.ended++
  }
}
