import type { PacketMessage } from '../shared/cell/message.ts'
import type { PacketCarrier } from '../shared/circuit/packet-lane.ts'
import type { Tunnel } from './connector.ts'
import type { PacketTunnel } from './packet-flow.ts'

/** A tunnel that is not there yet, or that is replaced by another one. Before there is one, only `reset` means anything. */
export class PendingTunnel implements Tunnel, PacketTunnel {
  #tunnel: (Tunnel & Partial<PacketCarrier>) | undefined
  isReset = false

  use(tunnel: Tunnel & Partial<PacketCarrier>): void {
    this.#tunnel = tunnel
    if (this.isReset) tunnel.reset()
  }

  write(bytes: Uint8Array): boolean {
    return this.#tunnel?.write(bytes) ?? false
  }

  get mayCarry(): boolean {
    return this.#tunnel?.mayCarry ?? false
  }

  carry(messages: readonly PacketMessage[]): void {
    this.#tunnel?.carry?.(messages)
  }

  finish(): void {
    this.#tunnel?.finish()
  }

  reset(): void {
    this.isReset = true
    this.#tunnel?.reset()
  }

  release(cost: number): void {
    this.#tunnel?.release(cost)
  }
}
