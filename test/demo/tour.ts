import type { ConnectionView } from '../../client/connection-list.ts'
import { CITIES } from '../world/cities.ts'
import { serveHttp } from '../world/destinations.ts'
import { GIT_ENV, type GitDestination, serveGit } from '../world/git-destination.ts'
import type { Host } from '../world/host.ts'
import { type CityName, SOCKS_PORT, type SpnWorld } from '../world/spn-world.ts'
import { type SshDestination, serveSsh } from '../world/ssh-destination.ts'
import { nearBestExits } from './checks.ts'
import { curlArguments } from './curl-arguments.ts'
import { pathText, type TourLine } from './view.ts'

const RUN_MS = 30_000
/** curl's exit status for a refused connection, by itself and through a proxy. */
const CURL_REFUSED = 7
const CURL_PROXY_REFUSED = 97

/** A program that connects somewhere, and what the server said of the caller's address. */
interface Visit {
  readonly program: string
  readonly city: CityName
  readonly family: 4 | 6
  readonly run: () => Promise<string>
}

/** Real programs that know nothing of the network connect to servers all over the world. */
export class Tour {
  readonly #spn: SpnWorld
  readonly #say: (text: string) => void
  readonly lines: TourLine[] = []
  #git: GitDestination | undefined
  #ssh: SshDestination | undefined
  #lastId = 0

  constructor(spn: SpnWorld, say: (text: string) => void) {
    this.#spn = spn
    this.#say = say
  }

  async startServers(cities: readonly CityName[], gitCity: CityName, sshCity: CityName): Promise<void> {
    const { world } = this.#spn
    await Promise.all(cities.map((city) => serveHttp(this.#spn.destination(city))))
    this.#git = await serveGit(world, this.#spn.destination(gitCity))
    this.#ssh = await serveSsh(world, this.#spn.destination(sshCity))
  }

  /** curl to each city over IPv4 and IPv6, then git and ssh (where connections are intercepted). */
  async visitAll(cities: readonly CityName[], gitCity: CityName, sshCity: CityName): Promise<void> {
    for (const city of cities) for (const family of [4, 6] as const) await this.#visit(this.#curl(city, family))
    if (!this.#spn.intercepts) return
    await this.#visit(this.#clone(gitCity, 4))
    for (const family of [4, 6] as const) await this.#visit(this.#shell(sshCity, family))
  }

  /** A port at which nothing listens: the program has to hear "refused", at once. */
  async visitClosedPort(city: CityName): Promise<string | undefined> {
    const startedAt = performance.now()
    const args = this.#curlArguments(city, ':81/', 4)
    const { code } = await this.#spn.user.run('curl', args, { timeoutMs: RUN_MS })
    const wanted = this.#spn.intercepts ? CURL_REFUSED : CURL_PROXY_REFUSED
    const ms = (performance.now() - startedAt).toFixed(0)
    this.#say(`curl ${args.at(-1)}: exit status ${code} after ${ms} ms (${wanted} is "connection refused")`)
    return code === wanted ? undefined : `a closed port gave curl's exit status ${code}, not ${wanted}`
  }

  #curl(city: CityName, family: 4 | 6): Visit {
    const args = this.#curlArguments(city, '/address', family)
    const run = async (): Promise<string> => this.#spn.user.mustRun('curl', args, { timeoutMs: RUN_MS })
    return { program: 'curl', city, family, run }
  }

  #curlArguments(city: CityName, path: string, family: 4 | 6): string[] {
    const proxy = this.#spn.intercepts ? undefined : `127.0.0.1:${SOCKS_PORT}`
    return curlArguments(this.#spn.destination(city), path, family, proxy)
  }

  #clone(city: CityName, family: 4 | 6): Visit {
    const git = this.#git as GitDestination
    const run = async (): Promise<string> => {
      const into = `${this.#spn.world.folder}/clone`
      const said = git.process.nextLine(/Connection from ([0-9a-f.:[\]]+):\d+/, RUN_MS)
      await this.#spn.user.mustRun('git', ['clone', '--quiet', `-${family}`, git.url, into], {
        env: GIT_ENV,
        timeoutMs: RUN_MS,
      })
      const head = await this.#spn.user.mustRun('git', ['-C', into, 'rev-parse', 'HEAD'], { env: GIT_ENV })
      if (head.trim() !== git.commit) throw new Error('the clone is not what the server has')
      return ((await said)[1] as string).replace(/[[\]]/g, '')
    }
    return { program: 'git clone', city, family, run }
  }

  #shell(city: CityName, family: 4 | 6): Visit {
    const { args } = this.#ssh as SshDestination
    const command = [`-${family}`, ...args, 'echo $SSH_CLIENT']
    const run = async (): Promise<string> =>
      (await this.#spn.user.mustRun('ssh', command, { timeoutMs: RUN_MS })).split(' ')[0] ?? ''
    return { program: 'ssh', city, family, run }
  }

  async #visit({ program, city, family, run }: Visit): Promise<void> {
    const { place } = CITIES[city]
    let seen = ''
    let failure: string | undefined
    try {
      seen = (await run()).trim()
    } catch (error) {
      failure = `${program} failed: ${(error as Error).message.split('\n')[0]}`
    }
    const connection = await this.#newConnection(this.#spn.destination(city), family)
    const path = connection?.path.map((hop) => hop.city) ?? []
    const seenFrom = this.#cityOfAddress(seen)
    const line: TourLine = {
      ...{ program, family, path, seenFrom },
      destination: `${place.city} (${place.country})`,
      openMs: connection?.openMs ?? Number.NaN,
      mistake: failure ?? this.#mistakeOf(path, seenFrom, city),
    }
    this.lines.push(line)
    const way = pathText(CITIES.warsaw.place.city, path, place.city)
    this.#say(
      `${program} IPv${family}  ${way}   the server saw ${seen || 'nothing'} (${seenFrom})${line.mistake ? `   WRONG: ${line.mistake}` : ''}`,
    )
  }

  /** The newest connection of the user's programs to this host. */
  async #newConnection(host: Host, family: 4 | 6): Promise<ConnectionView | undefined> {
    const address = family === 4 ? host.ipv4 : `[${host.ipv6}]`
    const fresh = (await this.#spn.connections()).filter(
      ({ id, by, target }) => id > this.#lastId && by !== 'client' && target.startsWith(`${address}:`),
    )
    this.#lastId = Math.max(this.#lastId, ...fresh.map(({ id }) => id))
    return fresh.findLast(({ openMs }) => openMs !== undefined)
  }

  #cityOfAddress(address: string): string {
    const host = this.#spn.world.hosts.find(
      ({ plan }) => plan.ipv4?.address === address || plan.ipv6?.address === address,
    )
    return host?.place.city ?? 'nowhere'
  }

  #mistakeOf(path: readonly string[], seenFrom: string, city: CityName): string | undefined {
    const exit = path.at(-1)
    if (path.length !== 3) return `a path of ${path.length} hops`
    if (seenFrom !== exit) return `the server saw ${seenFrom}, not the exit`
    const hubs = this.#spn.hubs.map(({ city: { place } }) => ({ city: place.city, place }))
    const nearBest = nearBestExits(hubs, path[0] as string, CITIES[city].place)
    return nearBest.includes(exit ?? '') ? undefined : `near-best exits are ${nearBest.join(', ')}`
  }
}
