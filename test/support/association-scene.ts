import { parseIp } from '../../shared/base/ip-address.ts'
import type { PacketMessage } from '../../shared/cell/message.ts'
import type { Target } from '../../shared/cell/target.ts'
import { type ExitScene, peerOf, type TestExitCircuit } from './exit-scene.ts'

/** One association at an exit of which loopback is the internet, with sockets that are real. */
export class TestAssociation {
  readonly circuit: TestExitCircuit
  readonly #connection: ReturnType<ExitScene['open']>['connection']

  constructor(scene: ExitScene, from = peerOf(1)) {
    const { circuit, connection } = scene.open(from)
    this.circuit = circuit
    this.#connection = connection
    connection.connect({ kind: 'udp' })
  }

  get packets(): readonly PacketMessage[] {
    return this.circuit.packets
  }

  /** The datagrams that came, as text. */
  get texts(): string[] {
    return this.packets.flatMap((one) => (one.type === 'datagram' ? [Buffer.from(one.bytes).toString()] : []))
  }

  /** Reasons of what could not be sent. */
  get refusals(): number[] {
    return this.packets.flatMap((one) => (one.type === 'unreachable' ? [one.reason] : []))
  }

  send(peer: Target, bytes: Uint8Array | string): void {
    this.#connection.packet?.({ type: 'datagram', peer, bytes: Buffer.from(bytes) })
  }

  writable(): void {
    this.#connection.writable()
  }

  close(): void {
    this.#connection.closed(undefined)
  }
}

export function peerAt(host: string, port: number): Target {
  return { kind: 'ip', address: parseIp(host) as Uint8Array, port }
}
