import { viewWire } from '../../demo/checks.ts'
import type { Packet } from '../../world/packet.ts'
import type { SpnWorld } from '../../world/spn-world.ts'

const LINK_PORT = 443

/** What crossed the user's wire besides links to hubs, the directory before there is one, and discovery; in a few words. */
export function straysOf({ hubs, directory }: SpnWorld, packets: readonly Packet[]): readonly string[] {
  const { other } = viewWire(packets, {
    homeAddresses: hubs.flatMap(({ host }) => [host.ipv4, host.ipv6]),
    linkPort: LINK_PORT,
    directoryAddresses: [directory.ipv4, directory.ipv6],
  })
  return other
}
