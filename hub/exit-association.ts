import type { MonotonicClock } from '../shared/base/clock.ts'
import { isFault } from '../shared/base/fault.ts'
import { FAULTS, type FaultCode } from '../shared/base/fault-codes.ts'
import { familyOf, type IpAddress, type IpFamily, normalizeIp } from '../shared/base/ip-address.ts'
import type { UdpSocket } from '../shared/base/udp-socket.ts'
import type { PacketMessage } from '../shared/cell/message.ts'
import type { Target } from '../shared/cell/target.ts'
import type { ExitCircuit, ExitSink } from '../shared/circuit/exit-circuit.ts'
import { PacketLane } from '../shared/circuit/packet-lane.ts'
import type { ExitParts } from './exit-connection.ts'
import { datagramRefusal } from './exit-guard.ts'
import { faultOfDatagram, openExitSocket } from './exit-socket.ts'
import type { PacketFate } from './metrics.ts'
import { UdpPeers } from './udp-peers.ts'

/** Names that one association can have looked up, and datagrams that wait for the answers. */
export const MAX_NAMES = 64
const MAX_WAITING_FOR_NAMES = 64

export interface AssociationParts extends ExitParts {
  readonly clock: MonotonicClock
}

/** One app's UDP socket at the exit: a socket of each family that is used, any number of peers. */
export class ExitAssociation implements ExitSink {
  readonly #circuit: () => ExitCircuit
  readonly #parts: AssociationParts
  readonly #peers: UdpPeers
  readonly #sockets = new Map<IpFamily, UdpSocket>()
  /** What names stand for as long as the association lives: its peers stay who they are. A promise while that is asked. */
  readonly #names = new Map<string, IpAddress | Promise<IpAddress | FaultCode>>()
  #waitingForNames = 0
  #lane: PacketLane | undefined
  #lateBefore = 0
  #over = false

  constructor(circuit: () => ExitCircuit, parts: AssociationParts) {
    this.#circuit = circuit
    this.#parts = parts
    this.#peers = new UdpPeers(parts.facts, parts.clock.now())
  }

  connect(): void {
    const refused = this.#parts.admit()
    if (refused !== undefined) {
      this.#parts.metrics.exitsRefused.add(refused)
      this.#over = true
      return this.#circuit().refuse(refused)
    }
    const { exit4, exit6 } = this.#parts.facts().roles
    this.#lane = new PacketLane(this.#circuit(), this.#parts.clock)
    this.#parts.metrics.exitsConnected++
    this.#circuit().connected(exit4 && exit6 ? 10 : exit4 ? 4 : 6)
    this.#lane.open()
  }

  packet(message: PacketMessage): void {
    if (this.#over || message.type !== 'datagram') return
    const { peer, bytes } = message
    if (peer.kind === 'ip') this.#send(peer, normalizeIp(peer.address), bytes)
    else this.#sendToName(peer, bytes)
  }

  writable(): void {
    this.#lane?.flush()
    this.#countLate()
  }

  /** The client ends it in answer to our own end only. */
  finished(): void {}

  data(): void {}

  closed(): void {
    for (const socket of this.#sockets.values()) socket.close()
    this.#sockets.clear()
    if (this.#over) return
    this.#over = true
    this.#parts.done()
  }

  /** @param peer as the client called it */
  #send(peer: Target, address: IpAddress, bytes: Uint8Array): void {
    const admitted = this.#peers.admit(address, peer.port, bytes.length, this.#parts.clock.now())
    if (admitted === 'unanswered') return this.#count('unanswered')
    if (typeof admitted === 'string') return this.#refuse(peer, admitted)
    const socket = this.#socket(familyOf(address))
    if (socket === undefined) return this.#refuse(peer, 'exit-busy')
    const isTaken = socket.send(bytes, admitted, (error) => {
      const because = faultOfDatagram(error)
      if (because !== undefined) this.#refuse(peer, because)
    })
    this.#count(isTaken ? 'sent' : 'congested')
  }

  #sendToName(peer: Target & { kind: 'name' }, bytes: Uint8Array): void {
    const name = peer.name.toLowerCase()
    const known = this.#names.get(name)
    if (known instanceof Uint8Array) return this.#send(peer, known, bytes)
    const isFull = this.#waitingForNames >= MAX_WAITING_FOR_NAMES || (!known && this.#names.size >= MAX_NAMES)
    if (isFull) return this.#count('congested')
    const found = known ?? this.#resolve(name, peer.port)
    this.#names.set(name, found)
    this.#waitingForNames++
    void found.then((address) => {
      this.#waitingForNames--
      if (this.#over) return
      if (typeof address !== 'string') this.#names.set(name, address)
      if (typeof address === 'string') this.#refuse(peer, address)
      else this.#send(peer, address, bytes)
    })
  }

  /** The first address that the exit may send to, of the families that it serves. Failures are forgotten. */
  async #resolve(name: string, port: number): Promise<IpAddress | FaultCode> {
    try {
      const found = (await this.#parts.resolver.resolve(name)).map(normalizeIp)
      const refusals = found.map((address) => datagramRefusal(this.#parts.facts(), address, port))
      const allowed = found[refusals.indexOf(undefined)]
      if (allowed !== undefined) return allowed
      this.#names.delete(name)
      return refusals[0] ?? 'name-not-found'
    } catch (error) {
      this.#names.delete(name)
      return isFault(error) ? error.code : 'name-failed'
    }
  }

  #socket(family: IpFamily): UdpSocket | undefined {
    const open = this.#sockets.get(family)
    if (open !== undefined) return open
    const socket = openExitSocket(family, {
      received: (bytes, address, port) => this.#received(bytes, address, port),
      unreachable: (address, port, because) => this.#refuse({ kind: 'ip', address, port }, because),
      failed: () => this.#circuit().reset(),
    })
    if (socket !== undefined) this.#sockets.set(family, socket)
    return socket
  }

  #received(bytes: Uint8Array, address: IpAddress, port: number): void {
    if (!this.#peers.answered(address, port) || port === 0) return this.#count('refused')
    const isFit = this.#lane?.push({ type: 'datagram', peer: { kind: 'ip', address, port }, bytes })
    this.#count(isFit === true ? 'received' : 'too-large')
    this.#countLate()
  }

  /** Tells the client, in the turn of all other packets: an app that is refused shall hear of it. */
  #refuse(peer: Target, because: FaultCode): void {
    this.#count('refused')
    this.#lane?.push({ type: 'unreachable', reason: FAULTS[because].wire, peer })
  }

  #count(fate: PacketFate): void {
    this.#parts.metrics.packets.add(fate)
  }

  #countLate(): void {
    const late = this.#lane?.dropped ?? 0
    if (late > this.#lateBefore) this.#parts.metrics.packets.add('late', late - this.#lateBefore)
    this.#lateBefore = late
  }
}
