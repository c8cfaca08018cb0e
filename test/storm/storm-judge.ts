import { describe, isDiscovery } from '../demo/checks.ts'
import { type Packet, TCP } from '../world/packet.ts'
import type { SpnWorld } from '../world/spn-world.ts'

/** A time in which everything may leave, in ms since 1970. */
export interface OpenTime {
  readonly from: number
  readonly to: number
}

const LINK_PORT = 443
const DIRECTORY_PORT = 80
const MAX_EXAMPLES = 10

/** Counts what the user's computer sent, by what the promise says of it. */
export function mayHaveLeft(
  packets: readonly Packet[],
  spn: SpnWorld,
  open: readonly OpenTime[],
): { own: number; inTheOpen: number; outside: number; examples: string[] } {
  const hubs = new Set(spn.hubs.flatMap(({ host }) => [host.ipv4, host.ipv6]))
  const directory = new Set([spn.directory.ipv4, spn.directory.ipv6])
  const isOwn = ({ ip }: Packet): boolean =>
    ip?.protocol === TCP &&
    ((hubs.has(ip.destination) && ip.destinationPort === LINK_PORT) ||
      (directory.has(ip.destination) && ip.destinationPort === DIRECTORY_PORT))
  const sent = packets.filter((packet) => isFrom(packet, spn) && !isDiscovery(packet))
  const others = sent.filter((packet) => !isOwn(packet))
  const outside = others.filter(({ atMs }) => !open.some(({ from, to }) => atMs >= from && atMs <= to))
  return {
    own: sent.length - others.length,
    inTheOpen: others.length - outside.length,
    outside: outside.length,
    examples: outside
      .slice(0, MAX_EXAMPLES)
      .map((packet) => `${new Date(packet.atMs).toISOString()} ${describe(packet)}`),
  }
}

function isFrom({ ip }: Packet, { user }: SpnWorld): boolean {
  return [user.plan.ipv4, user.plan.ipv6].some(
    (wire) =>
      wire !== undefined &&
      ip?.source.startsWith(wire.address.replace(/2$/, '')) === true &&
      ip.source !== wire.gateway,
  )
}
