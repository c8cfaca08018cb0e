import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import type { IpFamily } from '../shared/base/ip-address.ts'

interface RouteFile {
  readonly family: IpFamily
  readonly file: string
  /** The others count uses. */
  readonly columns: readonly number[]
  readonly isDefault: (fields: readonly string[]) => boolean
}

const ROUTES: readonly RouteFile[] = [
  {
    ...{ family: 4, file: '/proc/net/route', columns: [0, 1, 2, 7] },
    isDefault: ([, destination]) => destination === '00000000',
  },
  {
    ...{ family: 6, file: '/proc/net/ipv6_route', columns: [0, 1, 4, 9] },
    // Where there is no other, the system has one that leads nowhere.
    isDefault: (fields) => fields[1] === '00' && fields[9] !== 'lo',
  },
]

/** Families that this computer has a default route of; none on systems that do not say so in this way. */
export function familiesOfDefaultRoutes(): ReadonlySet<IpFamily> {
  return new Set(ROUTES.filter((route) => defaultRoutes(route).length > 0).map(({ family }) => family))
}

/** The addresses and default routes of this computer, as one text to compare; for nobody's eyes. */
export function networkPrint(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).filter(({ internal }) => !internal).map(({ cidr }) => cidr ?? ''),
  )
  return [...addresses.sort(), ...ROUTES.flatMap((route) => defaultRoutes(route))].join('\n')
}

function defaultRoutes({ file, columns, isDefault }: RouteFile): string[] {
  try {
    const lines = readFileSync(file, 'utf8').split('\n')
    const routes = lines.map((line) => line.trim().split(/\s+/)).filter(isDefault)
    return routes.map((fields) => columns.map((column) => fields[column]).join(' ')).sort()
  } catch {
    return [] // not on this system: addresses alone then
  }
}
