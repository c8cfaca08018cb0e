import type { FaultCode } from '../shared/base/fault-codes.ts'
import { familyOf, formatIp, type IpAddress, normalizeIp, sameIp } from '../shared/base/ip-address.ts'
import { TokenBucket } from '../shared/base/token-bucket.ts'
import { UdpSocket } from '../shared/base/udp-socket.ts'
import type { PacketMessage } from '../shared/cell/message.ts'
import type { Purpose } from '../shared/cell/purpose.ts'
import type { ExitCircuit, ExitSink } from '../shared/circuit/exit-circuit.ts'
import { PacketLane } from '../shared/circuit/packet-lane.ts'
import type { AssociationParts } from './exit-association.ts'
import { echoRefusal } from './exit-guard.ts'
import { encodeEchoRequest, readEchoReply } from './icmp-echo.ts'
import type { PacketFate } from './metrics.ts'
import { loadHubAddon } from './native/native.ts'

/** Requests that a circuit can have sent: a ping a second, or a quick check of a line; nobody is flooded by that. */
const ECHO_RATE = 20
export const ECHO_BURST = 40
/** What fits a usual packet. */
export const MAX_ECHO_BYTES = 1452

/** Echo sockets have no ports, but who gives an address gives one. */
const ANY_PORT = 1

/** Does the system let this process send requests for an echo? It does so for all families, or for none. */
export function canEcho(): boolean {
  const addon = loadHubAddon()
  if (addon === undefined) return false
  try {
    new UdpSocket(4, { received: () => {}, failed: () => {} }, { fd: addon.openEcho(4) }).close()
    return true
  } catch (error) {
    // Then all sockets are in use, which says nothing of the right.
    return ['EMFILE', 'ENFILE'].includes((error as { code?: string }).code ?? '')
  }
}

/** Echo requests to one address, and their answers. */
export class ExitEcho implements ExitSink {
  readonly #circuit: () => ExitCircuit
  readonly #parts: AssociationParts
  readonly #rate: TokenBucket
  #address: IpAddress = new Uint8Array(4)
  #open: { readonly socket: UdpSocket; readonly lane: PacketLane } | undefined
  #admitted = false

  constructor(circuit: () => ExitCircuit, parts: AssociationParts) {
    this.#circuit = circuit
    this.#parts = parts
    this.#rate = new TokenBucket(ECHO_RATE, ECHO_BURST, parts.clock.now())
  }

  connect(purpose: Purpose): void {
    if (purpose.kind !== 'echo') return
    this.#address = normalizeIp(purpose.address)
    const refused = echoRefusal(this.#parts.facts(), this.#address) ?? this.#parts.admit()
    if (refused !== undefined) return this.#refuse(refused)
    this.#admitted = true
    const socket = this.#openSocket()
    if (typeof socket === 'string') return this.#refuse(socket)
    const lane = new PacketLane(this.#circuit(), this.#parts.clock)
    this.#open = { socket, lane }
    this.#parts.metrics.exitsConnected++
    this.#circuit().connected(familyOf(this.#address))
    lane.open()
  }

  packet(message: PacketMessage): void {
    if (message.type !== 'echo' || this.#open === undefined) return
    if (message.bytes.length > MAX_ECHO_BYTES) return this.#count('too-large')
    if (!this.#rate.take(this.#parts.clock.now())) return this.#count('unanswered')
    const request = encodeEchoRequest(familyOf(this.#address), message.sequence, message.bytes)
    const isTaken = this.#open.socket.send(request, { host: formatIp(this.#address), port: ANY_PORT })
    this.#count(isTaken ? 'sent' : 'congested')
  }

  writable(): void {
    this.#open?.lane.flush()
  }

  finished(): void {}

  data(): void {}

  closed(): void {
    this.#open?.socket.close()
    this.#open = undefined
    if (this.#admitted) this.#parts.done()
    this.#admitted = false
  }

  /** The reason if there is none: mostly that the system gives this right to nobody. */
  #openSocket(): UdpSocket | FaultCode {
    const addon = loadHubAddon()
    if (addon === undefined) return 'kind-refused'
    try {
      const family = familyOf(this.#address)
      return new UdpSocket(
        family,
        {
          received: (packet, from) => this.#received(packet, from),
          failed: () => this.#circuit().reset(),
        },
        { fd: addon.openEcho(family) },
      )
    } catch (error) {
      const { code } = error as { code?: string }
      return code === 'EMFILE' || code === 'ENFILE' ? 'exit-busy' : 'kind-refused'
    }
  }

  #received(packet: Uint8Array, from: IpAddress): void {
    const reply = sameIp(from, this.#address) ? readEchoReply(familyOf(from), packet) : undefined
    if (reply === undefined) return this.#count('refused')
    this.#count(this.#open?.lane.push({ type: 'echo', ...reply }) === true ? 'received' : 'too-large')
  }

  #refuse(because: FaultCode): void {
    this.#parts.metrics.exitsRefused.add(because)
    this.#circuit().refuse(because)
  }

  #count(fate: PacketFate): void {
    this.#parts.metrics.packets.add(fate)
  }
}
