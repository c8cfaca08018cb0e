import { getServers, promises } from 'node:dns'
import { Fault } from '../../shared/base/fault.ts'
import { formatIp, type IpAddress, parseIp } from '../../shared/base/ip-address.ts'

/** What the daemon needs to know to open a portal. */
export interface PortalRequest {
  readonly addresses: readonly string[]
  readonly resolvers: readonly string[]
}

/** Asks for something to be opened. */
type Open = (request: PortalRequest) => Promise<unknown>

/**
 * Opens the way to a captive portal. For an address that is all. For a name the network's resolvers are opened first, and
 * stay open as long: portals answer by lying about names, and the browser has to ask for the same ones.
 *
 * @throws Fault name-not-found, options-invalid (the resolver is a program of this computer)
 */
export async function openPortal(target: string, open: Open): Promise<unknown> {
  const address = parseIp(target)
  if (address !== undefined) return open({ addresses: [formatIp(address)], resolvers: [] })
  const resolvers = getServers().filter((server) => isOfTheNetwork(parseIp(server)))
  if (resolvers.length === 0) {
    throw new Fault('options-invalid', {
      mistakes:
        'the resolver of this computer is one of its own programs, whose questions stay blocked: give the address',
    })
  }
  await open({ addresses: [], resolvers })
  const found = await Promise.allSettled([promises.resolve4(target), promises.resolve6(target)])
  const addresses = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []))
  if (addresses.length === 0) throw new Fault('name-not-found')
  return open({ addresses, resolvers: [] })
}

function isOfTheNetwork(address: IpAddress | undefined): boolean {
  if (address === undefined) return false
  return address.length === 4 ? address[0] !== 127 : formatIp(address) !== '::1'
}
