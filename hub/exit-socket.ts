import type { FaultCode } from '../shared/base/fault-codes.ts'
import type { IpAddress, IpFamily } from '../shared/base/ip-address.ts'
import { UdpSocket, type UdpSocketSink } from '../shared/base/udp-socket.ts'
import { faultOfConnect } from './exit-connection.ts'
import { loadHubAddon } from './native/native.ts'

/** So many errors are read in one turn; the system tells of the others in the next. */
const MAX_ERRORS_READ = 64

export interface ExitSocketSink extends UdpSocketSink {
  /** The network says that a datagram could not be delivered there. */
  unreachable(address: IpAddress, port: number, because: FaultCode): void
}

/**
 * A UDP socket at a port that the system chooses; undefined if the system gives none. Node can not tell what ICMP said of
 * a datagram, so the addon makes the socket; without the addon nobody is told.
 */
export function openExitSocket(family: IpFamily, sink: ExitSocketSink): UdpSocket | undefined {
  const addon = loadHubAddon()
  if (addon === undefined) return new UdpSocket(family, sink)
  let fd: number
  try {
    fd = addon.openUdp(family)
  } catch {
    return undefined
  }
  const readErrors = (): boolean => {
    let count = 0
    for (; count < MAX_ERRORS_READ; count++) {
      const error = addon.nextError(fd)
      if (error === undefined) break
      const because = faultOfDatagram(error)
      if (because !== undefined) sink.unreachable(error.address, error.port, because)
    }
    return count > 0
  }
  return new UdpSocket(family, sink, { fd, readErrors })
}

/** What an error of the system says of a peer; undefined if nothing: it concerns this datagram, or this computer. */
export function faultOfDatagram(error: unknown): FaultCode | undefined {
  const because = faultOfConnect([error])
  return because === 'connect-timeout' || because === 'exit-busy' ? undefined : because
}
