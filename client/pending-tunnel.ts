import type { Tunnel } from './connector.ts'

/** A tunnel that is not there yet, or that is replaced by another one. Before there is one, only `reset` means anything. */
export class PendingTunnel implements Tunnel {
  #tunnel: Tunnel | undefined
  isReset = false

  use(tunnel: Tunnel): void {
    this.#tunnel = tunnel
    if (this.isReset) tunnel.reset()
  }

  write(bytes: Uint8Array): boolean {
    return this.#tunnel?.write(bytes) ?? false
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
