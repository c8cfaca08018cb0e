import type { Fault } from '../shared/base/fault.ts'
import type { Tunnel, TunnelSink } from './connector.ts'
import { EarlyBytes } from './early-bytes.ts'
import { CUT } from './way-faults.ts'

/**
 * A connection that outlives a hub that dies before the first byte came: it is opened once more, by ways of its own (perhaps
 * to the same exit), and what the app sent goes there again if that is harmless (SPEC section 9.5). The app sees nothing of it.
 */
export class RepeatedTunnel implements Tunnel {
  readonly #open: (sink: TunnelSink) => Tunnel
  readonly #sink: TunnelSink
  #tunnel: Tunnel
  /** Undefined when something came, the app wants no more, and after the second opening. */
  #early: EarlyBytes | undefined = new EarlyBytes()
  /** What the app sent since the first circuit was cut; undefined while there is one. */
  #held: Uint8Array[] | undefined
  #isOpened = false
  #isFinished = false

  /** @param open opens the connection; tells nothing before it returned */
  constructor(open: (sink: TunnelSink) => Tunnel, sink: TunnelSink) {
    this.#open = open
    this.#sink = sink
    this.#tunnel = open(this.#watched())
  }

  write(bytes: Uint8Array): boolean {
    if (this.#held !== undefined) {
      this.#held.push(bytes.slice())
      return false
    }
    this.#early?.add(bytes)
    return this.#tunnel.write(bytes)
  }

  finish(): void {
    this.#isFinished = true
    if (this.#held === undefined) this.#tunnel.finish()
  }

  reset(): void {
    this.#early = undefined
    this.#tunnel.reset()
  }

  release(cost: number): void {
    this.#tunnel.release(cost)
  }

  #watched(): TunnelSink {
    const sink = this.#sink
    return {
      opened: (family) => {
        if (this.#isOpened) return this.#resume()
        this.#isOpened = true
        sink.opened(family)
      },
      data: (bytes, cost) => {
        this.#early = undefined
        sink.data(bytes, cost)
      },
      packet: (message) => sink.packet?.(message),
      finished: () => {
        this.#early = undefined
        sink.finished()
      },
      writable: () => sink.writable(),
      closed: (fault) => {
        if (this.#mayRepeat(fault)) this.#repeat()
        else sink.closed(fault)
      },
    }
  }

  #mayRepeat(fault: Fault | undefined): boolean {
    return fault?.code === CUT && this.#isOpened && this.#early?.isHarmless === true
  }

  #repeat(): void {
    this.#held = this.#early?.chunks ?? []
    this.#early = undefined
    this.#tunnel = this.#open(this.#watched())
  }

  /** Behind the second opening: what was sent before, and since. */
  #resume(): void {
    const held = this.#held ?? []
    this.#held = undefined
    let isFree = true
    for (const bytes of held) isFree = this.#tunnel.write(bytes)
    if (this.#isFinished) this.#tunnel.finish()
    if (isFree) this.#sink.writable()
  }
}
