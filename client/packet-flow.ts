import type { MonotonicClock } from '../shared/base/clock.ts'
import type { Fault } from '../shared/base/fault.ts'
import type { PacketMessage } from '../shared/cell/message.ts'
import type { Target } from '../shared/cell/target.ts'
import { type PacketCarrier, PacketLane } from '../shared/circuit/packet-lane.ts'
import type { TunnelSink } from './connector.ts'

/** Behind a circuit that could not be opened nothing is tried for so long: an app may send at any rate. */
const REOPEN_AFTER_MS = 1_000

/** A circuit of packets as its user sees it. */
export interface PacketTunnel extends PacketCarrier {
  finish(): void
  reset(): void
}

export interface PacketFlowSink {
  packet(message: PacketMessage): void
  /** The circuit is over, cleanly if it was idle. The next packet opens another one. */
  closed(fault: Fault | undefined): void
}

/** Opens a circuit of packets whose path is good for this destination. */
export type OpenPackets = (near: Target, sink: TunnelSink) => PacketTunnel

/** Packets of one app, over one circuit at a time: opened with the first packet, and again when it is gone. */
export class PacketFlow {
  readonly #open: OpenPackets
  readonly #clock: MonotonicClock
  readonly #sink: PacketFlowSink
  #current: { readonly tunnel: PacketTunnel; readonly lane: PacketLane } | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(open: OpenPackets, clock: MonotonicClock, sink: PacketFlowSink) {
    this.#open = open
    this.#clock = clock
    this.#sink = sink
  }

  /**
   * Copied, or kept as it is: not to be written to any more.
   * @param near the destination, if this packet is the first of a circuit
   * @returns false if it is dropped: too large, or there is no circuit at the moment
   */
  send(message: PacketMessage, near: Target): boolean {
    if (this.#closed) return false
    if (this.#current === undefined && this.#clock.now() - this.#failedAt < REOPEN_AFTER_MS) return false
    this.#current ??= this.#start(near)
    return this.#current.lane.push(message)
  }

  /** The app does not need it any more. Nothing is told behind this. */
  close(): void {
    this.#closed = true
    this.#current?.tunnel.reset()
    this.#current = undefined
  }

  #start(near: Target): { tunnel: PacketTunnel; lane: PacketLane } {
    let opened = false
    const tunnel = this.#open(near, {
      opened: () => {
        opened = true
        lane.open()
      },
      packet: (message) => {
        if (!this.#closed) this.#sink.packet(message)
      },
      data: () => {},
      finished: () => tunnel.finish(),
      writable: () => lane.flush(),
      closed: (fault) => {
        this.#current = undefined
        if (!opened) this.#failedAt = this.#clock.now()
        if (!this.#closed) this.#sink.closed(fault)
      },
    })
    const lane = new PacketLane(tunnel, this.#clock)
    return { tunnel, lane }
  }
}
