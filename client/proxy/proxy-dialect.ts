import type { FaultCode } from '../../shared/base/fault-codes.ts'
import type { IpAddress } from '../../shared/base/ip-address.ts'
import type { Target } from '../../shared/cell/target.ts'
import type { ConnectionView } from '../connection-list.ts'

/** What came of what an app has sent so far: not enough yet is undefined. `used` bytes were read. */
export type ProxyStep =
  /** Says something, and reads on behind it. */
  | { readonly kind: 'answer'; readonly used: number; readonly answer: Uint8Array }
  /** The app wants to go there; what stands behind is its own, for the destination. */
  | { readonly kind: 'open'; readonly used: number; readonly target: Target }
  /** The app wants a UDP socket, for as long as this connection is there; it sends from this port, or 0 for any. */
  | { readonly kind: 'associate'; readonly used: number; readonly port: number }
  | { readonly kind: 'refuse'; readonly answer: Uint8Array }
  /** Not this protocol at all: there is nothing that could be answered. */
  | { readonly kind: 'drop' }

/** The handshake of one app's connection, without sockets. */
export interface ProxyHandshake {
  /** @param pending all that is not read yet. Borrowed. */
  read(pending: Uint8Array): ProxyStep | undefined
}

/** A way in which apps ask a proxy of this computer for connections. */
export interface ProxyDialect {
  /** How the list of connections names it. */
  readonly by: ConnectionView['by']
  handshake(): ProxyHandshake
  /** What an app is told when it is connected. */
  readonly opened: Uint8Array
  /** What an app is told when it has its UDP socket. Only where the handshake can ask for one. */
  associated?(address: IpAddress, port: number): Uint8Array
  /** What an app is told when its connection could not be made. */
  refused(fault: FaultCode): Uint8Array
}
