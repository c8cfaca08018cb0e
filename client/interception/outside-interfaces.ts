import { readFileSync } from 'node:fs'

/** What was read holds for so long. */
const FRESH_MS = 1_000

/**
 * The interfaces that lead outside: those of a default route in the main table, of either family. What comes in there for
 * somebody else is no guest's: a neighbour outside who takes this computer for his way, or for the way to a guest.
 */
export class OutsideInterfaces {
  readonly #now: () => number
  #names: ReadonlySet<string> = new Set()
  #until = Number.NEGATIVE_INFINITY

  constructor(now: () => number) {
    this.#now = now
  }

  has(name: string): boolean {
    if (this.#until <= this.#now()) {
      this.#names = new Set([
        ...defaultRoutes4(readRoutes('/proc/net/route')),
        ...defaultRoutes6(readRoutes('/proc/net/ipv6_route')),
      ])
      this.#until = this.#now() + FRESH_MS
    }
    return this.#names.has(name)
  }
}

/** Interfaces of default routes in the text of `/proc/net/route`: name, destination, gateway, flags, …, mask (field 7). */
export function defaultRoutes4(text: string): readonly string[] {
  return fieldsOf(text).flatMap((fields) =>
    fields[1] === '00000000' && fields[7] === '00000000' ? [fields[0] as string] : [],
  )
}

/** The same of `/proc/net/ipv6_route`: destination, its prefix, …, name (field 9). Routes to nowhere are on `lo`. */
export function defaultRoutes6(text: string): readonly string[] {
  return fieldsOf(text).flatMap((fields) =>
    /^0{32}$/.test(fields[0] ?? '') && fields[1] === '00' && fields[9] !== 'lo' ? [fields[9] as string] : [],
  )
}

function fieldsOf(text: string): readonly string[][] {
  return text.split('\n').map((line) => line.trim().split(/\s+/))
}

/** A computer without IPv6 does not have the second one. */
function readRoutes(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
