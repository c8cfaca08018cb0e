import { createRequire } from 'node:module'
import type { IpFamily } from '../../shared/base/ip-address.ts'

/** What the addon in this folder offers on Linux. Sockets are given as numbers that Node takes over. */
export interface HubAddon {
  /** A socket for ICMP echo. @throws an error whose `code` is EACCES (no group in net.ipv4.ping_group_range) or another errno */
  openEcho(family: IpFamily): number
  /** A UDP socket at a port that the system chooses, which is told of ICMP errors. @throws an error with a `code` */
  openUdp(family: IpFamily): number
  /** What the network said of a datagram that was sent there; undefined if there is nothing more. */
  nextError(fd: number): { readonly code: string; readonly address: Uint8Array; readonly port: number } | undefined
}

const ADDON_FILE = './build/Release/spn_hub_native.node'

let loaded: HubAddon | null | undefined

/** The addon, which is loaded once. Undefined where it is not built: an exit does without, and can less. */
export function loadHubAddon(): HubAddon | undefined {
  if (loaded === undefined) {
    try {
      loaded = createRequire(import.meta.url)(ADDON_FILE) as HubAddon
    } catch {
      loaded = null
    }
  }
  return loaded ?? undefined
}
