import { type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import type { NativeAddon } from '../native/native.ts'
import type { DatagramFlowsParts } from './datagram-flows.ts'
import type { DatagramRoute } from './datagram-listener.ts'
import { datagramPacket, undeliveredPacket } from './made-packet.ts'
import { PROTOCOL_UDP } from './packet.ts'

type Calls = Pick<DatagramFlowsParts, 'identify' | 'forget' | 'inject' | 'undelivered'>

/** What the kernel is asked and told about datagrams. A call that fails is a flow that is not known, or a datagram lost. */
export function datagramCalls(native: NativeAddon, listenPort: number): Calls {
  const call = <T>(
    route: DatagramRoute,
    ask: (...ends: Parameters<NativeAddon['originalFlow']>) => T,
  ): T | undefined => {
    const [local, peer] = [route.local, route.peer].map(parseIp) as [IpAddress | undefined, IpAddress | undefined]
    if (local === undefined || peer === undefined) return undefined
    try {
      return ask(PROTOCOL_UDP, local, listenPort, peer, route.peerPort)
    } catch {
      return undefined
    }
  }
  return {
    identify: (route) => call(route, (...ends) => native.originalFlow(...ends)),
    forget: (route) => call(route, (...ends) => native.forgetFlow(...ends)),
    inject: (from, to, bytes) => {
      if (from.address.length === to.address.length) sendMade(native, datagramPacket(from, to, bytes))
    },
    undelivered: (from, to, why) => sendMade(native, undeliveredPacket(from, to, why)),
  }
}

/** Sends a packet of our making, if it can be sent. */
export function sendMade(native: Pick<NativeAddon, 'sendPacket'>, packet: Uint8Array): void {
  try {
    native.sendPacket(packet)
  } catch {
    // Without CAP_NET_RAW, or too large for the way to a guest.
  }
}
