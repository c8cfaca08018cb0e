import type { Fault } from '../shared/base/fault.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { IpAddress } from '../shared/base/ip-address.ts'
import type { Target } from '../shared/cell/target.ts'
import type { FlowEndpoint, InterceptedDatagrams, Undelivered } from './interception/interception-api.ts'

/** What the program is told for each way in which its datagrams can fail; everything else is a silence. */
const UNDELIVERED: Partial<Record<FaultCode, Undelivered>> = {
  'connection-refused': 'refused',
  'host-unreachable': 'unreachable',
  'network-unreachable': 'unreachable',
  'family-refused': 'unreachable',
  'path-no-exit': 'unreachable',
  'policy-refused': 'prohibited',
  'wish-unmet': 'prohibited',
  'destination-forbidden': 'prohibited',
}

/** A UDP socket at an exit. */
export interface DatagramCircuit {
  send(address: IpAddress, port: number, bytes: Uint8Array): void
  close(): void
}

export interface DatagramCircuitSink {
  /** From a peer. */
  datagram(address: IpAddress, port: number, bytes: Uint8Array): void
  /** Datagrams to this peer are not delivered. */
  error(peer: Target, because: FaultCode): void
  /** The circuit is over; the next datagram may open another. */
  closed(fault: Fault | undefined): void
}

export interface DatagramRoutes {
  /** Does the network carry anything to this address? */
  readonly isPublic: (address: IpAddress) => boolean
  readonly openCircuit: (sink: DatagramCircuitSink) => DatagramCircuit
  /** The first flow of a socket was admitted. What goes to a destination that is forgotten is judged again. */
  readonly onOpen?: (forget: (destination: FlowEndpoint) => void) => void
  /** Somebody sends whom the program has not addressed. */
  readonly onStranger: (from: FlowEndpoint, letIn: () => void) => void
  readonly onClosed?: () => void
}

/**
 * Takes the datagrams of a program through the network: one circuit for each of its sockets, whatever its destinations,
 * so that everybody sees the same address and port of it. Datagrams to places that the network never carries are refused,
 * which the program learns at once.
 *
 * @param group flows of a socket that are of different groups have circuits of their own
 */
export function tunnelDatagrams(flow: InterceptedDatagrams, routes: DatagramRoutes, group?: string): void {
  const { isPublic, openCircuit, onOpen, onStranger, onClosed } = routes
  if (!isPublic(flow.destination.address)) return flow.refuse('reset')
  flow.admit((socket) => {
    let to = flow.destination
    const tell = (peer: FlowEndpoint, because: FaultCode): void => {
      const why = UNDELIVERED[because]
      if (why !== undefined) socket.undelivered(peer, why)
    }
    const circuit = openCircuit({
      datagram: (address, port, bytes) => {
        const from = { address, port }
        const letIn = (): void => socket.reply(from, bytes)
        if (socket.hasAddressed(from)) letIn()
        else onStranger(from, letIn)
      },
      error: (peer, because) => {
        if (peer.kind === 'ip') tell(peer, because)
      },
      closed: (fault) => {
        if (fault !== undefined) tell(to, fault.code)
      },
    })
    onOpen?.((destination) => socket.forget(destination))
    return {
      datagram: (destination, bytes) => {
        to = destination
        circuit.send(destination.address, destination.port, bytes)
      },
      closed: () => {
        circuit.close()
        onClosed?.()
      },
    }
  }, group)
}
