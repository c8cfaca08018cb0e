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
}

/**
 * Takes the datagrams of a program through the network: one circuit for each of its sockets, whatever its destinations,
 * so that everybody sees the same address and port of it. Datagrams to places that the network never carries are refused,
 * which the program learns at once.
 */
export function tunnelDatagrams(flow: InterceptedDatagrams, { isPublic, openCircuit }: DatagramRoutes): void {
  if (!isPublic(flow.destination.address)) return flow.refuse('reset')
  flow.admit((socket) => {
    const circuit = openCircuit({
      datagram: (address, port, bytes) => socket.reply({ address, port }, bytes),
      // Of datagrams nobody promises that they arrive.
      closed: () => {},
    })
    return {
      datagram: ({ address, port }, bytes) => circuit.send(address, port, bytes),
      closed: () => circuit.close(),
    }
  })
}
