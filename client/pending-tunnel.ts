import type { PacketMessage } from '../shared/cell/message.ts'
import type { PacketCarrier } from '../shared/circuit/packet-lane.ts'
import type { Tunnel } from './connector.ts'
import type { PacketTunnel } from './packet-flow.ts'

type AnyTunnel = Tunnel & Partial<PacketCarrier>

/** A tunnel that is not there yet, or that is replaced by another one. Before there is one, only `reset` means anything. */
export class PendingTunnel implements Tunnel, PacketTunnel {
  readonly #candidates = new Set<AnyTunnel>()
  #tunnel: AnyTunnel | undefined
  isReset = false

  /** This one may become the tunnel. */
  offer(tunnel: AnyTunnel): void {
    this.#candidates.add(tunnel)
    if (this.isReset) tunnel.reset()
  }

  /** This one never will. */
  withdraw(tunnel: AnyTunnel): void {
    this.#candidates.delete(tunnel)
  }

  /** This one it is; all others that were offered end. */
  use(tunnel: AnyTunnel): void {
    this.#tunnel = tunnel
    for (const other of [...this.#candidates]) if (other !== tunnel) other.reset()
    this.#candidates.clear()
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
    for (const tunnel of [...this.#candidates]) tunnel.reset()
    this.#tunnel?.reset()
  }

  release(cost: number): void {
    this.#tunnel?.release(cost)
  }
}
