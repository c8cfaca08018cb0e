import { endpointOf, formatIp, type IpAddress } from '../shared/base/ip-address.ts'
import type { FindApp } from './apps/app.ts'
import type { DnsSender } from './dns/dns-listener.ts'
import type { DnsAsker } from './dns/dns-resolver.ts'
import { PROTOCOL_TCP, PROTOCOL_UDP } from './interception/packet.ts'

/** What tells a guest from others, by his address: his programs are not of this computer. Undefined for its own. */
export function guestKey(forwarded: DnsAsker['forwarded'], address: IpAddress): string | undefined {
  return forwarded === undefined ? undefined : `guest ${formatIp(address)}`
}

/** Which app asks the resolver at this address and port. */
export async function askerOf(
  { transport, address, port }: DnsSender,
  listening: IpAddress | undefined,
  listeningPort: number | undefined,
  findApp: FindApp,
): Promise<DnsAsker> {
  const source = endpointOf(address, port)
  if (source === undefined || listening === undefined || listeningPort === undefined) return {}
  const destination = { address: listening, port: listeningPort }
  const app = await findApp({ protocol: transport === 'udp' ? PROTOCOL_UDP : PROTOCOL_TCP, source, destination })
  return { app: app?.key, uid: app?.uid, owner: app }
}
