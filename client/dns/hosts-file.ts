import { type IpAddress, parseIp } from '../../shared/base/ip-address.ts'
import { isHostName } from '../../shared/cell/target.ts'

/** Names with their addresses, both ways. */
export interface HostsTable {
  readonly addresses: ReadonlyMap<string, readonly IpAddress[]>
  /** By address as text; the first name of a line is the one that an address has. */
  readonly names: ReadonlyMap<string, readonly string[]>
}

export const NO_HOSTS: HostsTable = { addresses: new Map(), names: new Map() }
/** Some people keep long lists there; what is behind is not read. */
export const MAX_HOSTS_LINES = 200_000

/** Reads the text of a hosts file: an address and its names on each line. Lines that are something else are passed over. */
export function parseHosts(text: string): HostsTable {
  const entries: (readonly [string, IpAddress, boolean])[] = []
  for (const line of text.split('\n', MAX_HOSTS_LINES)) {
    const [first = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    const address = parseIp(first)
    if (address === undefined) continue
    const valid = names.map(plainName).filter((name) => name !== undefined)
    entries.push(...valid.map((name, i) => [name, address, i === 0] as const))
  }
  return tableOf(entries)
}

/** A table of single names, in lower case without a last dot, with their addresses. */
export function hostsOf(entries: ReadonlyMap<string, readonly IpAddress[]>): HostsTable {
  const all = [...entries].flatMap(([name, addresses]) => addresses.map((address) => [name, address, true] as const))
  return tableOf(all)
}

/** How addresses are written as keys of `HostsTable.names`. */
export function hostsKey(address: IpAddress): string {
  return address.join('.')
}

function tableOf(entries: readonly (readonly [string, IpAddress, boolean])[]): HostsTable {
  const addresses = new Map<string, IpAddress[]>()
  const names = new Map<string, string[]>()
  const add = <T>(map: Map<string, T[]>, key: string, value: T): void => {
    const held = map.get(key)
    if (held === undefined) map.set(key, [value])
    else held.push(value)
  }
  for (const [name, address, isFirst] of entries) {
    add(addresses, name, address)
    if (isFirst) add(names, hostsKey(address), name)
  }
  return { addresses, names }
}

function plainName(text: string): string | undefined {
  return isHostName(text) ? text.toLowerCase().replace(/\.$/, '') : undefined
}
