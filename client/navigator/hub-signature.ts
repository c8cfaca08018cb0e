import { familyOf, type IpAddress } from '../../shared/base/ip-address.ts'
import { isPublicIp } from '../../shared/base/ip-scope.ts'
import type { ExitPolicy } from '../../shared/map/exit-policy.ts'
import type { MapHub } from '../../shared/map/hub-map.ts'
import type { HubFacts } from './hub-facts.ts'

/** Blocks of this size go to one holder: two hubs in one are as good as one. */
const BLOCK_BYTES = { 4: 2, 6: 4 } as const

/** Blocks of public addresses (/16 and /32) in which a hub is reached, as texts. Those of test networks are none. */
export function blocksOf({ linkAddresses, noiseAddresses }: MapHub): string[] {
  const blocks = new Set<string>()
  for (const { ip } of [...linkAddresses, ...noiseAddresses]) if (isPublicIp(ip)) blocks.add(blockText(ip))
  return [...blocks]
}

function blockText(ip: IpAddress): string {
  const family = familyOf(ip)
  return `${family} ${ip.slice(0, BLOCK_BYTES[family]).join('.')}`
}

/** The same text for the same policy. */
export function policyText(policy: ExitPolicy): string {
  return policy
    .map(({ action, range, fromPort, toPort }) => {
      const where = range === undefined ? '*' : `${range.address.join('.')}/${range.prefix}`
      return `${action} ${where} ${fromPort}-${toPort}`
    })
    .join('\n')
}

/** Everything of a hub that path choice looks at: another text for every change that matters. */
export function hubSignature(hub: MapHub, facts: HubFacts): string {
  const { roles, location, operator, family } = hub
  return JSON.stringify([
    [roles.home, roles.relay, roles.exit4, roles.exit6, roles.echo === true],
    [operator, family, location.asn, location.place.country, location.place.latitude, location.place.longitude],
    [facts.capacityKbits(hub), facts.load(hub), facts.delayMs(hub), facts.isTrusted(hub)],
    blocksOf(hub),
    policyText(hub.exitPolicy),
  ])
}
