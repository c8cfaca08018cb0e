import type { IpRange } from '../base/ip-address.ts'
import { isPublicIp, scopeOf } from '../base/ip-scope.ts'
import { addressesIn, type DnsMessage } from './dns-message.ts'

/**
 * Does an answer from the world lead into somebody's own network? An exit must not tell what its operator's network is
 * like, and no exit may lead a browser to what only the client's own computer or network can reach (DNS rebinding).
 * The unspecified address, by which filters answer, tells nothing; a client does not pass it on (`leadsToItself`).
 */
export function leadsInside(bytes: Uint8Array, message: DnsMessage, extraPublic: readonly IpRange[]): boolean {
  return addressesIn(bytes, message).some((address) => !isPublicIp(address, extraPublic) && !isUnspecified(address))
}

/** Does an answer name the unspecified address? Who connects to it reaches his own computer. */
export function leadsToItself(bytes: Uint8Array, message: DnsMessage): boolean {
  return addressesIn(bytes, message).some(isUnspecified)
}

function isUnspecified(address: Uint8Array): boolean {
  return scopeOf(address) === 'unspecified' && address.every((byte) => byte === 0)
}
