import type { IpAddress, IpRange } from '../../shared/base/ip-address.ts'
import { isPublicIp, scopeOf } from '../../shared/base/ip-scope.ts'

/** What is known of the program that owns a flow; each part only where the system tells it. */
export interface AppFacts {
  /** Whole path of the executable. */
  readonly path?: string
  /** The script that an interpreter runs: its whole path. */
  readonly script?: string
  readonly pid?: number
  readonly uid?: number
  readonly user?: string
  /** Unit of systemd, such as `ssh.service`. */
  readonly unit?: string
  /** Of which kind, and its id: `docker:0123abcd`. */
  readonly container?: string
  /** A packaged app: `flatpak:org.mozilla.firefox`, `snap:firefox`, `appimage:Krita`. */
  readonly tag?: string
}

export const PROTOCOLS = ['tcp', 'udp', 'icmp', 'other'] as const
/** `icmp` is an echo request of either family. */
export type Protocol = (typeof PROTOCOLS)[number]

/** What rules tell addresses apart by. `reserved` is all that has another special purpose. */
export const FLOW_SCOPES = ['public', 'private', 'link-local', 'loopback', 'multicast', 'reserved'] as const
export type FlowScope = (typeof FLOW_SCOPES)[number]

/** Where a flow goes: out of this computer, into it, or through it for somebody behind it. */
export type Direction =
  | { readonly direction: 'out' | 'in' }
  /** `interface` is the one that it came in by. */
  | { readonly direction: 'forwarded'; readonly interface: string }

/** All that rules may look at in a flow. */
export type FlowFacts = Direction & {
  /** Undefined if it is not known who owns it. */
  readonly app?: AppFacts | undefined
  readonly protocol: Protocol
  /** The other side's; undefined where only the exit will find it. */
  readonly address?: IpAddress | undefined
  /** The destination's; for `in` that of this computer. 0 where there are no ports. */
  readonly port: number
  /** The domain name that the destination has, in lower case and without a dot at its end. */
  readonly name?: string | undefined
  /**
   * Names that the name is an alias for. Whoever answers questions for names chooses them, so only rules that block or
   * drop look at them: nobody gets a connection past the network by an alias.
   */
  readonly aliases?: readonly string[]
  /** The app named it itself; otherwise the address was an answer to a question for the name. */
  readonly nameGiven?: boolean
  readonly scope: FlowScope
}

/**
 * @param address undefined for a destination that only has a name: exits connect to public addresses only
 * @param extraPublic ranges that a test network adds
 */
export function flowScope(address: IpAddress | undefined, extraPublic: readonly IpRange[] = []): FlowScope {
  if (address === undefined || isPublicIp(address, extraPublic)) return 'public'
  const scope = scopeOf(address)
  return scope === 'private' || scope === 'link-local' || scope === 'loopback' || scope === 'multicast'
    ? scope
    : 'reserved'
}

/** A domain name as flows and rules hold it. */
export function plainName(name: string): string {
  const lower = name.toLowerCase()
  return lower.endsWith('.') ? lower.slice(0, -1) : lower
}
