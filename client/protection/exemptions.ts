import { familyOf, formatIp, type IpAddress, type IpFamily } from '../../shared/base/ip-address.ts'
import { ALLOWANCES, type Allowance, DHCP_PORTS, DISCOVERY_IN, DISCOVERY_OUT, PROMISES } from './promise.ts'

/**
 * Something that the user asked to open for a while. The kernel closes it again by itself: it holds no longer than that,
 * also when nobody is there any more to take it back.
 */
export type Opening = { readonly untilMs: number } & (
  | { readonly kind: 'everything' }
  | { readonly kind: 'portal'; readonly addresses: readonly IpAddress[]; readonly resolvers: readonly IpAddress[] }
)

/** What iptables matches packets by, outwards and inwards. Replies to what left need no match of their own. */
export interface Exemptions {
  readonly out: readonly string[]
  readonly into: readonly string[]
}

/** TCP ports on which a captive portal answers. */
const PORTAL_PORTS = [80, 443] as const
const DNS_PORT = 53
const MS_PER_SECOND = 1_000

/** What passes by a rule alone, made from the promise of a client that runs; direct networks are in the rules. */
export function exemptions(family: IpFamily, openings: readonly Opening[]): Exemptions {
  const allowed: readonly Allowance[] = PROMISES.protected.mayLeave
  const names = Object.keys(ALLOWANCES) as Allowance[]
  const made = names.filter((name) => allowed.includes(name)).map((name) => MATCHES[name]?.(family) ?? NOTHING)
  const opened = openings.map((opening) => openingMatches(opening, family))
  const all = [...made, ...opened]
  return { out: all.flatMap(({ out }) => out), into: all.flatMap(({ into }) => into) }
}

/** Of what is forwarded for guests, outwards: they reach the same portals. What a pause opens is `openTimes`. */
export function guestExemptions(family: IpFamily, openings: readonly Opening[]): readonly string[] {
  return openings.filter(({ kind }) => kind === 'portal').flatMap((opening) => openingMatches(opening, family).out)
}

/** What iptables matches the times by in which everything may pass. */
export function openTimes(openings: readonly Opening[]): readonly string[] {
  return openings.filter(({ kind }) => kind === 'everything').map(timeMatch)
}

const NOTHING: Exemptions = { out: [], into: [] }

/** Loopback, own and direct traffic is told by more than a match: the rules do that themselves. */
const MATCHES: Partial<Record<Allowance, (family: IpFamily) => Exemptions>> = {
  discovery: (family) => (family === 4 ? NOTHING : { out: DISCOVERY_OUT.map(icmpv6), into: DISCOVERY_IN.map(icmpv6) }),
  addressing: (family) => {
    const { client, server } = DHCP_PORTS[family]
    return { out: [`-p udp --sport ${client} --dport ${server}`], into: [`-p udp --sport ${server} --dport ${client}`] }
  },
}

const icmpv6 = (type: number): string => `-p icmpv6 --icmpv6-type ${type}`

function openingMatches(opening: Opening, family: IpFamily): Exemptions {
  const time = timeMatch(opening)
  if (opening.kind === 'everything') return { out: [time], into: [time] }
  const of = (addresses: readonly IpAddress[]): string[] =>
    addresses.filter((address) => familyOf(address) === family).map(formatIp)
  return {
    out: [
      ...of(opening.addresses).flatMap((address) =>
        PORTAL_PORTS.map((port) => `-d ${address} -p tcp --dport ${port} ${time}`),
      ),
      ...of(opening.resolvers).flatMap((address) =>
        ['udp', 'tcp'].map((protocol) => `-d ${address} -p ${protocol} --dport ${DNS_PORT} ${time}`),
      ),
    ],
    into: [],
  }
}

function timeMatch({ untilMs }: Opening): string {
  // The second that is named is the last open one, to its end.
  return `-m time --datestop ${utc(untilMs - MS_PER_SECOND)}`
}

/** As iptables wants it: whole seconds, rounded down. */
function utc(ms: number): string {
  return new Date(ms).toISOString().slice(0, 'YYYY-MM-DDTHH:MM:SS'.length)
}
