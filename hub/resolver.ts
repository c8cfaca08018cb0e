import { getServers } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { Fault } from '../shared/base/fault.ts'
import { type IpAddress, parseIp } from '../shared/base/ip-address.ts'
import type { NameServer } from '../shared/dns/plain-query.ts'

/** One query waits so long, and is tried so often. */
const QUERY_TIMEOUT_MS = 2_000
const QUERY_TRIES = 2
const DNS_PORT = 53

/** Looks names up for circuits. */
export interface NameResolver {
  /** All addresses, IPv6 and IPv4 in turn. @throws Fault name-not-found, name-failed */
  resolve(name: string): Promise<IpAddress[]>
}

/**
 * Asks name servers, and nothing else: no hosts file, no search domains. A resolver of its own for each look-up, so that
 * no cache is shared between circuits whose timing could tell what others asked.
 * @param servers `ADDRESS:PORT`; those of the system if not given
 */
export function dnsResolver(servers?: readonly string[]): NameResolver {
  return {
    async resolve(name) {
      const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES })
      if (servers !== undefined) resolver.setServers(servers)
      const [v6, v4] = await Promise.allSettled([resolver.resolve6(name), resolver.resolve4(name)])
      const found6 = v6.status === 'fulfilled' ? v6.value : []
      const found4 = v4.status === 'fulfilled' ? v4.value : []
      if (found6.length + found4.length === 0) throw faultOf([v6, v4])
      const addresses: IpAddress[] = []
      for (let i = 0; i < Math.max(found6.length, found4.length); i++) {
        for (const text of [found6[i], found4[i]]) {
          const address = text === undefined ? undefined : parseIp(text)
          if (address !== undefined) addresses.push(address)
        }
      }
      return addresses
    },
  }
}

/** The name servers of this computer, as its settings say. */
export function systemNameServers(): NameServer[] {
  return getServers().flatMap((text) => {
    const [, v6, v4, port] = /^(?:\[(.+)\]|([^:]+)|.+?)(?::(\d+))?$/.exec(text) ?? []
    const ip = parseIp(text) ?? parseIp(v6 ?? v4 ?? '')
    return ip === undefined ? [] : [{ ip, port: parseIp(text) === undefined ? Number(port ?? DNS_PORT) : DNS_PORT }]
  })
}

/** A name without addresses is not found; a server that does not answer is a failure. */
function faultOf(results: readonly PromiseSettledResult<string[]>[]): Fault {
  const codes = results.map((result) => (result.status === 'rejected' ? String(result.reason?.code) : 'ENODATA'))
  const absent = codes.every((code) => code === 'ENOTFOUND' || code === 'ENODATA')
  return new Fault(absent ? 'name-not-found' : 'name-failed')
}
