import { toHex } from '../../shared/base/bytes.ts'
import { type IpAddress, normalizeIp } from '../../shared/base/ip-address.ts'

export interface NameMemoryOptions {
  /** Addresses that are remembered for one app, and apps. */
  readonly maxAddresses: number
  readonly maxApps: number
}

export interface RememberedName {
  readonly name: string
  /** What it is an alias for. */
  readonly aliases: readonly string[]
  /** Another app was given this address for this name; the app that is asked about never asked. */
  readonly isGuess: boolean
}

/** An app may use an address for so long after it was told, however short the TTL: it keeps it for its connections. */
export const LEAST_MEMORY_MS = 600_000

interface Remembered {
  readonly name: string
  readonly aliases: readonly string[]
  readonly until: number
}

/**
 * Which name an address came from, by app. The last name that was asked for counts, and it is the one that was asked for;
 * what that is an alias for stands beside it. In memory only. The app and the address that were used least lately make room.
 */
export class NameMemory {
  readonly #options: NameMemoryOptions
  readonly #apps = new Map<string, Map<string, Remembered>>()
  /** Of all apps together, for guesses. */
  readonly #anyone: Map<string, Remembered> = new Map()

  constructor(options: NameMemoryOptions) {
    this.#options = options
  }

  get appCount(): number {
    return this.#apps.size
  }

  remember(
    app: string,
    addresses: readonly IpAddress[],
    { name, aliases = [] }: { readonly name: string; readonly aliases?: readonly string[] },
    ttlS: number,
    now: number,
  ): void {
    if (addresses.length === 0) return
    const { maxApps, maxAddresses } = this.#options
    const ofApp = this.#apps.get(app) ?? new Map<string, Remembered>()
    putLast(this.#apps, app, ofApp, maxApps)
    const remembered = { name, aliases, until: now + Math.max(ttlS * 1000, LEAST_MEMORY_MS) }
    for (const address of addresses) {
      const key = toHex(normalizeIp(address))
      putLast(ofApp, key, remembered, maxAddresses)
      putLast(this.#anyone, key, remembered, maxAddresses)
    }
  }

  nameFor(app: string, address: IpAddress, now: number): RememberedName | undefined {
    const key = toHex(normalizeIp(address))
    const own = valid(this.#apps.get(app), key, now)
    if (own !== undefined) return { name: own.name, aliases: own.aliases, isGuess: false }
    const other = valid(this.#anyone, key, now)
    return other && { name: other.name, aliases: other.aliases, isGuess: true }
  }
}

/** Puts it behind all others; the first makes room. */
function putLast<T>(map: Map<string, T>, key: string, value: T, most: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > most) map.delete(map.keys().next().value as string)
}

function valid(map: Map<string, Remembered> | undefined, key: string, now: number): Remembered | undefined {
  const found = map?.get(key)
  if (found === undefined || now < found.until) return found
  map?.delete(key)
  return undefined
}
