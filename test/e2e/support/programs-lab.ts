import { nearBestExits, viewWire } from '../../demo/checks.ts'
import { serveCaddy } from '../../world/caddy-destination.ts'
import { type Capture, capture } from '../../world/capture.ts'
import { CITIES } from '../../world/cities.ts'
import { type Destination, serveIperf, serveStun } from '../../world/destinations.ts'
import type { Host } from '../../world/host.ts'
import type { Packet } from '../../world/packet.ts'
import { type CityName, SpnWorld, type WorldHub } from '../../world/spn-world.ts'
import { type SshDestination, serveSsh } from '../../world/ssh-destination.ts'
import { makeWebSite, type WebSite } from './web-site.ts'

const HUBS = ['berlin', 'london', 'newYork', 'saoPaulo', 'tokyo', 'sydney'] as const
/** The server that programs visit for each verdict. The rules name the last two; everything else is tunnelled. */
export const VISITED = { tunnel: 'paris', direct: 'stockholm', block: 'mumbai' } as const
/** How many hops the rules want for connections of these programs. All others have three. */
export const WISHED_HOPS = { '*/ssh': 2, '*/iperf3': 2, '*/git-remote-http': 4 } as const
/** Servers that the page loads things from, all of them tunnelled. */
export const PAGE_CITIES = ['paris', 'seoul', 'chicago', 'nairobi', 'buenosAires'] as const
const DESTINATIONS: readonly CityName[] = [...new Set([...Object.values(VISITED), ...PAGE_CITIES])]
/** Names that nobody asked for before, for programs that ask for names. */
export const NAMES_TO_DIG = [1, 2, 3, 4, 5, 6].map((number) => `fresh${number}.test`)
const LINK_PORT = 443

export type Verdict = keyof typeof VISITED

/** A computer that programs of the user visit. */
export interface VisitedServer {
  readonly host: Host
  readonly web: Destination
  readonly ssh: SshDestination
  readonly iperf: Destination
}

interface Parts {
  readonly spn: SpnWorld
  readonly site: WebSite
  readonly homes: readonly WorldHub[]
  readonly servers: Readonly<Record<Verdict, VisitedServer>>
  readonly wires: { readonly user: Capture; readonly blocked: Capture }
}

/**
 * A user machine whose client intercepts, a network, and servers all over the world: one that the rules let programs
 * reach directly, one that they block, and others.
 */
export class ProgramsLab {
  readonly spn: SpnWorld
  readonly site: WebSite
  readonly #homes: readonly WorldHub[]
  readonly #servers: Parts['servers']
  readonly #wires: Parts['wires']

  private constructor({ spn, site, homes, servers, wires }: Parts) {
    this.spn = spn
    this.site = site
    this.#homes = homes
    this.#servers = servers
    this.#wires = wires
  }

  /** The client runs, under the rules, and what crosses the wires is captured when this resolves. */
  static async create(): Promise<ProgramsLab> {
    const spn = await SpnWorld.create({
      ...{ hubs: HUBS, destinations: DESTINATIONS, userCity: 'warsaw', rules: rulesText, userNames: 'dns' },
      names: { ...namesOfOneFamily(), ...Object.fromEntries(NAMES_TO_DIG.map((name) => [name, [VISITED.tunnel]])) },
    })
    try {
      const hosts = DESTINATIONS.map((city) => spn.destination(city))
      const site = await makeWebSite(
        spn.world.folder,
        PAGE_CITIES.map((city) => spn.destination(city)),
        hosts,
      )
      await serveStun(spn.destination(PAGE_CITIES[1]))
      const webs = await Promise.all(hosts.map((host) => serveCaddy(spn.world, host, site)))
      const visited = async (city: CityName): Promise<VisitedServer> => {
        const host = spn.destination(city)
        const [ssh, iperf] = await Promise.all([serveSsh(spn.world, host), serveIperf(host), serveStun(host)])
        return { host, web: webs[hosts.indexOf(host)] as Destination, ssh, iperf }
      }
      const [tunnel, direct, block] = await Promise.all(Object.values(VISITED).map(visited))
      const servers = { tunnel, direct, block } as Parts['servers']
      const [user, blocked] = await Promise.all([spn.user, servers.block.host].map((host) => capture(spn.world, host)))
      await spn.startClient()
      const homes = await spn.homes()
      return new ProgramsLab({ spn, site, homes, servers, wires: { user, blocked } as Parts['wires'] })
    } catch (error) {
      await spn.close()
      throw error
    }
  }

  server(verdict: Verdict): VisitedServer {
    return this.#servers[verdict]
  }

  /** Whose address this is: `the user`, or the city of a hub. */
  ownerOf(address: string): string {
    const has = ({ ipv4, ipv6 }: Host): boolean => [ipv4, ipv6].includes(address)
    if (has(this.spn.user)) return 'the user'
    return this.spn.hubs.find(({ host }) => has(host))?.city.place.city ?? `nobody known: ${address}`
  }

  /** Cities from which a tunnelled connection to this one may leave. */
  exitsFor(city: CityName): string[] {
    const hubs = this.spn.hubs.map((hub) => ({ city: hub.city.place.city, place: hub.city.place }))
    return nearBestExits(hubs, this.#homes[0]?.city.place.city ?? '', CITIES[city].place)
  }

  /** What crossed the user's wire besides the home links, the directory and the direct server, and what came to the blocked server. */
  async strayPackets(): Promise<{ other: readonly string[]; direct: number; atBlocked: readonly string[] }> {
    const { directory } = this.spn
    const expected = {
      homeAddresses: this.#homes.flatMap(({ host }) => [host.ipv4, host.ipv6]),
      linkPort: LINK_PORT,
      directoryAddresses: [directory.ipv4, directory.ipv6],
    }
    const { host } = this.server('direct')
    const isDirect = ({ ip }: Packet): boolean =>
      ip !== undefined && [ip.source, ip.destination].some((address) => [host.ipv4, host.ipv6].includes(address))
    const [user, blocked] = await Promise.all([this.#wires.user.stop(), this.#wires.blocked.stop()])
    const view = viewWire(
      user.filter((packet) => !isDirect(packet)),
      expected,
    )
    // The router itself ends captures; a packet of anybody else must not come.
    const { ipv4, ipv6 } = this.server('block').host.plan
    const isOfRouter = ({ ip }: Packet): boolean =>
      ip !== undefined && [ip.source, ip.destination].some((one) => one === ipv4?.gateway || one === ipv6?.gateway)
    const atBlocked = blocked.filter((packet) => !isOfRouter(packet))
    return {
      other: [...view.other, ...view.tlsMistakes],
      direct: user.filter(isDirect).length,
      atBlocked: viewWire(atBlocked, { homeAddresses: [], linkPort: LINK_PORT, directoryAddresses: [] }).other,
    }
  }

  async close(): Promise<void> {
    await this.spn.close()
  }
}

/** `ipv4.paris.test` and `ipv6.paris.test`, for programs that can not be told which family to use. */
function namesOfOneFamily(): Record<string, string[]> {
  return Object.fromEntries(
    DESTINATIONS.map((city) => city.toLowerCase()).flatMap((host) =>
      ['ipv4', 'ipv6'].map((ip) => [`${ip}.${host}.test`, [`${host} ${ip}`]]),
    ),
  )
}

function rulesText(spn: SpnWorld): string {
  const { dnsName } = spn.destination(VISITED.direct)
  const block = spn.destination(VISITED.block)
  const wishes = Object.entries(WISHED_HOPS).map(
    ([app, hops]) => `  - app: "${app}"\n    default: { verdict: tunnel, hops: ${hops} }\n`,
  )
  return `
apps:
${wishes.join('')}
global:
  rules:
    - direct .${dnsName}
    - block ${block.ipv4}
    - block ${block.ipv6}
  default: tunnel
`
}
