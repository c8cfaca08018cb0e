import { toHex } from '../shared/base/bytes.ts'
import type { FaultCode } from '../shared/base/fault-codes.ts'
import { type IpAddress, type IpRange, normalizeIp } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import type { HubRoles } from '../shared/map/descriptor.ts'
import { type ExitPolicy, policyAllows, REFUSED_DATAGRAM_PORTS } from '../shared/map/exit-policy.ts'

/** What the exit holds against a destination besides its policy. */
export interface ExitFacts {
  readonly roles: HubRoles
  readonly policy: ExitPolicy
  /** Ranges that this network counts as public. */
  readonly addressScope: readonly IpRange[]
  /** Addresses of this computer, of this hub and of all other hubs. */
  readonly forbidden: ReadonlySet<string>
}

/** How addresses are written in `ExitFacts.forbidden`. */
export function forbiddenKey(address: IpAddress): string {
  return toHex(normalizeIp(address))
}

/**
 * Whether an exit connects to this address and port; the reason if not. Asked of the very address that is then
 * connected to, after any name was resolved (attacks: server-side request forgery, DNS rebinding).
 */
export function exitRefusal(facts: ExitFacts, given: IpAddress, port: number): FaultCode | undefined {
  const address = normalizeIp(given)
  if (!isPublicIp(address, facts.addressScope)) return 'policy-refused'
  if (facts.forbidden.has(forbiddenKey(address))) return 'policy-refused'
  if (!policyAllows(facts.policy, address, port)) return 'policy-refused'
  const served = address.length === 4 ? facts.roles.exit4 : facts.roles.exit6
  return served ? undefined : 'family-refused'
}

/** The same for datagrams, to a peer or from it. */
export function datagramRefusal(facts: ExitFacts, address: IpAddress, port: number): FaultCode | undefined {
  const isRefused = REFUSED_DATAGRAM_PORTS.some(([from, to]) => port >= from && port <= to)
  return isRefused ? 'policy-refused' : exitRefusal(facts, address, port)
}

/** For the policy an echo request is one to the port of the echo service. */
const ECHO_PORT = 7

export function echoRefusal(facts: ExitFacts, address: IpAddress): FaultCode | undefined {
  return exitRefusal(facts, address, ECHO_PORT)
}
