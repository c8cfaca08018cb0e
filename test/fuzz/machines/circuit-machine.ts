import type { ByteReader } from '../../../shared/base/byte-reader.ts'
import { Fault } from '../../../shared/base/fault.ts'
import { INITIAL_CREDIT_BYTES } from '../../../shared/link/credit.ts'
import { type ExitRecord, MemoryNetwork } from '../../support/memory-network.ts'
import { promise } from '../fuzz-target.ts'

const NAMES = ['a', 'b', 'c', 'd']
/** Ends of circuits whose CLOSE got lost take their link with them after this: a hub that waited for a SWITCH counts from then. */
const LONGEST_END_MS = 170_000
const MAX_STEPS = 24

/** Who is on a path with hubs `a`, `b`, ... and what holds of all of them, whoever is evil. */
export class CircuitMachine {
  readonly network: MemoryNetwork
  readonly path: readonly string[]
  readonly #parties: readonly string[]

  constructor(hops: number, autoRelease: boolean) {
    this.path = NAMES.slice(0, hops)
    this.#parties = ['client', ...this.path]
    this.network = new MemoryNetwork(this.path, { onConnect: () => {}, autoRelease })
  }

  get exitName(): string {
    return this.path.at(-1) as string
  }

  get exits(): readonly ExitRecord[] {
    return this.network.hub(this.exitName).exits
  }

  /** Lets bytes flow. A link that ended on one side ends on the other, as with a socket. */
  async settle(): Promise<void> {
    await this.network.run()
    for (let again = true; again; ) {
      again = false
      for (const [one, other] of this.#pairs()) {
        if (one.closed === other.closed) continue
        again = true
        for (const link of [one, other]) link.fail(new Fault('link-closed'))
      }
      if (again) await this.network.run()
    }
    this.#checkMemory()
    this.#checkExits()
  }

  /** After everybody ended everything, nothing may be left, however evil they were. */
  async checkNothingRemains(tick: (now: number) => void): Promise<void> {
    this.network.tamper = (_header, frame) => [frame]
    await this.settle()
    for (let ms = 0; ms < LONGEST_END_MS && this.network.remains.length > 0; ms += 10_000) {
      await this.network.pass(10_000)
      tick(this.network.clock.now())
      await this.settle()
    }
    promise(this.network.remains.length === 0, `nothing is left (${this.network.remains})`)
    for (const { events } of this.exits) {
      promise(events.at(-1)?.startsWith('closed') === true, 'every exit was told of the end')
    }
  }

  #pairs() {
    return this.#parties.slice(1).map((to, i) => {
      const from = this.#parties[i] as string
      return [this.network.link(from, to), this.network.link(to, from)] as const
    })
  }

  #checkMemory(): void {
    for (const link of this.#pairs().flat()) {
      const most = link.circuitCount * (2 * INITIAL_CREDIT_BYTES + 65_536) + 1_048_576
      promise(link.heldBytes <= most, 'queues stay within credit')
    }
  }

  #checkExits(): void {
    for (const { target, received, events } of this.exits) {
      const ends = events.filter((event) => event.startsWith('closed')).length
      promise(
        ends <= 1 && (ends === 0 || events.at(-1)?.startsWith('closed') === true),
        'one end, and nothing behind it',
      )
      promise(target.length <= 1, 'one connection for a circuit')
      promise(received.length === 0 || target.length === 1, 'no bytes before there is a target')
      promise(events.filter((event) => event === 'finished').length <= 1, 'one half-close')
    }
  }
}

export interface Steps<Scene> {
  readonly input: ByteReader
  readonly scene: Scene
  readonly steps: readonly ((scene: Scene, input: ByteReader) => void | Promise<void>)[]
}

/** Runs the steps that the input names, with time to settle in between if it says so. */
export async function runSteps<Scene extends { readonly machine: CircuitMachine }>(
  { input, scene, steps }: Steps<Scene>,
  check: () => void,
): Promise<void> {
  for (let count = 0; input.remaining > 0 && count < MAX_STEPS; count++) {
    const what = input.u8()
    await steps[(what & 0x7f) % steps.length]?.(scene, input)
    if (what & 0x80) continue
    await scene.machine.settle()
    check()
  }
  await scene.machine.settle()
  check()
}
