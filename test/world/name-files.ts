import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { HostPlan } from './host-plan.ts'

/** By name: addresses as texts, or one alias, as `alias other.test`. Names are in lower case and have no final dot. */
export type NameTable = Readonly<Record<string, readonly string[]>>

export const ALIAS = 'alias '

/** The account that the ssh server of a host lets in; it exists in hosts only. */
export const VISITOR = { name: 'visitor', uid: 65533 } as const

/**
 * All names of the world: `<host>.test` for each host, and those of `extra`, where a name may lead to addresses, to
 * hosts (then it has their addresses), to one address of a host, as `paris ipv4`, or to a name, as `alias paris.test`. Throws if it leads to none of them.
 */
export function nameTable(plans: readonly HostPlan[], extra: NameTable): NameTable {
  const ofHost = new Map(plans.map((plan) => [plan.spec.name, addressesOf(plan)]))
  for (const { spec, ipv4, ipv6 } of plans) {
    if (ipv4 !== undefined) ofHost.set(`${spec.name} ipv4`, [ipv4.address])
    if (ipv6 !== undefined) ofHost.set(`${spec.name} ipv6`, [ipv6.address])
  }
  const table: Record<string, readonly string[]> = {}
  for (const plan of plans) table[`${plan.spec.name}.test`] = addressesOf(plan)
  for (const [name, targets] of Object.entries(extra)) {
    table[name.toLowerCase()] = targets.flatMap((target) => {
      const addresses = ofHost.get(target) ?? (/^[0-9.]+$|:|^alias /.test(target) ? [target] : undefined)
      if (addresses === undefined) throw new Error(`${name} leads to ${target}, which is no host and no address`)
      return addresses
    })
  }
  return table
}

/** Only the DNS server knows what to do with it. */
export function isAlias(target: string): boolean {
  return target.startsWith(ALIAS)
}

export function addressesOf(plan: HostPlan): string[] {
  return [plan.ipv4, plan.ipv6].flatMap((wire) => (wire === undefined ? [] : [wire.address]))
}

/**
 * Writes the files that `ip netns exec` mounts over those of the machine in one namespace: `hosts`, `resolv.conf`,
 * `nsswitch.conf` and `passwd`. A file that the machine does not have cannot be mounted over and is left out.
 */
export function writeNameFiles(namespace: string, plan: HostPlan | undefined, names: NameTable): void {
  const folder = join('/etc/netns', namespace)
  mkdirSync(folder, { recursive: true })
  const write = (name: string, lines: readonly string[]): void => {
    if (existsSync(join('/etc', name))) writeFileSync(join(folder, name), `${lines.join('\n')}\n`)
  }
  const known = plan?.spec.names === 'hosts-file' ? Object.entries(names) : []
  write('hosts', [
    '127.0.0.1 localhost',
    '::1 localhost',
    ...known.flatMap(([name, addresses]) =>
      addresses.filter((one) => !isAlias(one)).map((address) => `${address} ${name}`),
    ),
  ])
  const servers = [plan?.ipv4, plan?.ipv6].flatMap((wire) => (wire === undefined ? [] : [wire.gateway]))
  write(
    'resolv.conf',
    servers.map((server) => `nameserver ${server}`),
  )
  write('nsswitch.conf', ['passwd: files', 'group: files', 'shadow: files', 'hosts: files dns'])
  write('passwd', [
    'root:x:0:0:root:/root:/bin/sh',
    `${VISITOR.name}:x:${VISITOR.uid}:${VISITOR.uid}::/:/bin/sh`,
    'nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin',
  ])
}
