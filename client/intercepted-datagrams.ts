import type { Fault } from '../shared/base/fault.ts'
import type { IpAddress } from '../shared/base/ip-address.ts'
import type { InterceptedDatagrams } from './interception/interception-api.ts'

/** A UDP socket at an exit. */
export interface DatagramCircuit {
  send(address: IpAddress, port: number, bytes: Uint8Array): void
  close(): void
}

export interface DatagramCircuitSink {
  /** From a peer. */
  datagram(address: IpAddress, port: number, bytes: Uint8Array): void
  /** The circuit is over; the next datagram may open another. */
  closed(fault: Fault | undefined): void
}

export interface DatagramRoutes {
  /** Does the network carry anything to this address? */
  readonly isPublic: (address: IpAddress) => boolean
  readonly openCircuit: (sink: DatagramCircuitSink) => DatagramCircuit
  /** The first flow of a socket was admitted. `close` ends its circuit; what comes then is judged again. */
  readonly onOpen?: (close: () => void) => void
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
  const { isPublic, openCircuit, onOpen, onClosed } = routes
  if (!isPublic(flow.destination.address)) return flow.refuse('reset')
  flow.admit((socket) => {
    const circuit = openCircuit({
      datagram: (address, port, bytes) => socket.reply({ address, port }, bytes),
      // Of datagrams nobody promises that they arrive.
      closed: () => {},
    })
    onOpen?.(() => {
      circuit.close()
      socket.close()
    })
    return {
      datagram: ({ address, port }, bytes) => circuit.send(address, port, bytes),
      closed: () => {
        circuit.close()
        onClosed?.()
      },
    }
  }, group)
}
