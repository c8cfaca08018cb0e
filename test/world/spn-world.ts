import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ConnectionView } from '../../client/connection-list.ts'
import type { ClientConfig } from '../../client/options.ts'
import type { DirectoryConfig } from '../../directory/options.ts'
import type { HubConfig } from '../../hub/options.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { type HubMap, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { QUICK_DIRECTORY, UNLIMITED_HUB, writeJson } from '../net/network-config.ts'
import { ROOT } from '../support/program.ts'
import { CITIES, type City } from './cities.ts'
import { newestMap } from './directory-files.ts'
import type { Host } from './host.ts'
import type { LineSpec } from './host-plan.ts'
import type { HostProcess } from './host-process.ts'
import { OwnCgroup } from './own-cgroup.ts'
import { groupIsMapped } from './support.ts'
import { World } from './world.ts'
import { foundNetwork, type WorldDirectory } from './world-directories.ts'

export type CityName = keyof typeof CITIES

export interface SpnWorldOptions {
  /** A hub in each of these cities. */
  readonly hubs: readonly CityName[]
  /** A destination host in each of these cities, known as `tokyo.test`. */
  readonly destinations: readonly CityName[]
  readonly userCity: CityName
  /** How programs of the user machine resolve names. Default: by a hosts file. */
  readonly userNames?: 'dns' | 'hosts-file'
  readonly delays?: boolean
  /** What the user's line does to packets. */
  readonly userLine?: LineSpec
  /** A family that the user machine does not have. The directory is found by the other one. */
  readonly userWithout?: 'ipv4' | 'ipv6'
  readonly hops?: number
  /** More names in the DNS of the world, each leading to hosts. */
  readonly names?: Readonly<Record<string, readonly string[]>>
  readonly client?: Partial<ClientConfig>
  /** Text of the client's rules file. */
  readonly rules?: (spn: SpnWorld) => string
  readonly hub?: Partial<HubConfig> | ((city: CityName) => Partial<HubConfig>)
  /** What the lines of single hubs do to packets. */
  readonly hubLine?: Readonly<Partial<Record<CityName, LineSpec>>>
  /** How many there are, and how many have to sign. Default: one. */
  readonly directories?: { readonly count: number; readonly threshold: number }
  /** The first directory measures what hubs carry, each about once in so many seconds; it says where it is. */
  readonly measureSeconds?: number
  /** What is to be done when the directories are up, before the hubs start. */
  readonly beforeHubs?: (world: World) => Promise<void>
  readonly directory?: Partial<DirectoryConfig>
  /** Every connection of the user machine is taken into the network; false for the SOCKS proxy alone. */
  readonly intercept?: boolean
}

/** A hub of the world, as it runs. */
export interface WorldHub {
  readonly host: Host
  readonly name: CityName
  readonly city: City
  process: HostProcess
}

/** The group of the client's own traffic in the world. */
const CLIENT_GID = 7117
export const SOCKS_PORT = 1080
const LINK_PORT = 443
const NOISE_PORT = 4001
const MEASURE_PORT = 443
const MAP_TRIES = 900
const HOME_TRIES = 200

/** A whole network in a world of namespaces: directories, hubs, destinations, and a user machine that runs the client. */
export class SpnWorld {
  readonly world: World
  readonly user: Host
  /** The first of the directories. */
  readonly directory: Host
  readonly directories: WorldDirectory[] = []
  readonly hubs: WorldHub[] = []
  /** False also where this user can neither have a group nor a cgroup for the client's own traffic. */
  readonly intercepts: boolean
  readonly #options: SpnWorldOptions
  readonly #cgroup: OwnCgroup | undefined
  client: HostProcess | undefined

  private constructor(world: World, options: SpnWorldOptions) {
    this.world = world
    this.#options = options
    this.user = world.host('user')
    this.directory = world.host('directory')
    const needsCgroup = (options.intercept ?? true) && !groupIsMapped(CLIENT_GID)
    this.#cgroup = needsCgroup ? OwnCgroup.make(world.id) : undefined
    this.intercepts = (options.intercept ?? true) && (!needsCgroup || this.#cgroup !== undefined)
  }

  /** The network is up and its map holds all hubs when this resolves; the client is not started. */
  static async create(options: SpnWorldOptions): Promise<SpnWorld> {
    const userLine = lineOf(options.userLine)
    const userWithout = options.userWithout === undefined ? {} : { [options.userWithout]: 'none' }
    const world = await World.create({
      hosts: [
        ...directoryNames(options).map((name) => ({ name, ...CITIES.zurich })),
        {
          name: 'user',
          ...CITIES[options.userCity],
          names: options.userNames ?? 'hosts-file',
          ...userLine,
          ...userWithout,
        },
        ...options.hubs.map((city) => ({ name: hubName(city), ...CITIES[city], ...lineOf(options.hubLine?.[city]) })),
        ...options.destinations.map((city) => ({ name: hostName(city), ...CITIES[city] })),
      ],
      ...(options.delays === undefined ? {} : { delays: options.delays }),
      ...(options.names === undefined ? {} : { dns: options.names }),
    })
    const spn = new SpnWorld(world, options)
    try {
      await spn.#startDirectories()
      await options.beforeHubs?.(world)
      await spn.#startHubs()
      spn.#writeClientConfig()
    } catch (error) {
      await spn.close()
      throw error
    }
    return spn
  }

  destination(city: CityName): Host {
    return this.world.host(hostName(city))
  }

  hubOf(city: CityName): WorldHub {
    const hub = this.hubs.find(({ host }) => host.name === hubName(city))
    if (hub === undefined) throw new Error(`no hub in ${city}`)
    return hub
  }

  /** Starts the client on the user machine; it has its home link when this resolves. */
  async startClient(waitMs = 120_000): Promise<HostProcess> {
    const args = ['run', '--config', this.clientConfig]
    const cgroup = this.#cgroup
    const identity =
      cgroup !== undefined ? { before: cgroup.enterCommand() } : this.intercepts ? { gid: CLIENT_GID } : {}
    const client = this.user.spawn(program('spn'), args, identity)
    this.client = client
    await client.line(/home link up/, waitMs)
    return client
  }

  async stopClient(): Promise<void> {
    await this.client?.stop()
    this.client = undefined
  }

  /** kill -9. */
  async killClient(): Promise<void> {
    this.client?.kill('SIGKILL')
    await this.client?.exited
    this.client = undefined
  }

  /** The home hub and the one that would take over, when the client has links to both. */
  async homes(): Promise<WorldHub[]> {
    for (let tries = 0; tries < HOME_TRIES; tries++) {
      const { home, secondHome } = (await this.ask('status')) as Partial<
        Record<'home' | 'secondHome', { city: string }>
      >
      const cities = [home, secondHome].flatMap((one) => one?.city ?? [])
      const homes = cities.flatMap((name) => this.hubs.find(({ city }) => city.place.city === name) ?? [])
      if (homes.length === Math.min(2, this.hubs.length)) return homes
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error('the client has no link to a second home hub')
  }

  /** What the client itself knows of its connections. */
  async connections(): Promise<ConnectionView[]> {
    return (await this.ask('connections')) as ConnectionView[]
  }

  async ask(command: 'status' | 'connections'): Promise<unknown> {
    return JSON.parse(await this.user.mustRun(program('spn'), [command, '--config', this.clientConfig]))
  }

  get clientConfig(): string {
    return this.#file('client.json')
  }

  get clientStateDir(): string {
    return this.#file('client')
  }

  /** What the directory published last. */
  publishedMap(): HubMap {
    const signed = newestMap(this.#file('directory'))
    if (signed === undefined) throw new Error('the directory has no map')
    return new UnverifiedMap(signed).verify(readNetworkFile(this.networkFile), Date.now())
  }

  get networkFile(): string {
    return this.#file('network.json')
  }

  get directoryProcess(): HostProcess | undefined {
    return this.directories[0]?.process
  }

  /** Starts a directory (again); it answers when this resolves. */
  async startDirectory(directory: WorldDirectory): Promise<void> {
    directory.process = directory.host.spawn(program('spn-directory'), ['run', '--config', directory.config])
    await directory.process.line(/directory started/)
  }

  /** Starts a hub (again); it has announced itself when this resolves. */
  async startHub(hub: WorldHub): Promise<void> {
    hub.process = this.#spawnHub(hub.host, hub.name)
    await hub.process.line(/descriptor published/)
  }

  async close(): Promise<void> {
    await this.stopClient().catch(() => {})
    await this.world.close()
    this.#cgroup?.remove()
  }

  async #startDirectories(): Promise<void> {
    const { world } = this
    const overridesFile = writeJson(world.folder, 'places.json', world.overrides)
    const { directories: { threshold } = { threshold: 1 }, directory, userWithout } = this.#options
    const config = {
      ...QUICK_DIRECTORY,
      networkFile: this.networkFile,
      addressScope: ['198.18.0.0/15', '2001:db8::/32'],
      geo: { overridesFile, overridesOnly: true },
      ...this.#measureConfig(),
      ...directory,
    }
    const hosts = directoryNames(this.#options).map((name) => world.host(name))
    const family = userWithout === 'ipv4' ? 'ipv6' : 'ipv4'
    const found = await foundNetwork(program('spn-directory'), hosts, {
      threshold,
      family,
      folder: world.folder,
      config,
    })
    this.directories.push(...found)
    await Promise.all(this.directories.map((one) => this.startDirectory(one)))
  }

  #measureConfig(): Partial<DirectoryConfig> {
    const { measureSeconds } = this.#options
    if (measureSeconds === undefined) return {}
    const { latitude, longitude } = CITIES.zurich.place
    return {
      place: { latitude, longitude },
      measure: { listen: [`${this.directory.ipv4}:${MEASURE_PORT}`], periodSeconds: measureSeconds, transferMib: 8 },
    }
  }

  async #startHubs(): Promise<void> {
    for (const city of this.#options.hubs) {
      const host = this.world.host(hubName(city))
      // As most systems have it: everybody may ping.
      await host.mustRun('sh', ['-c', 'echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range'])
      this.hubs.push({ host, name: city, city: CITIES[city], process: this.#spawnHub(host, city) })
    }
    const processes = this.hubs.map(({ process: hub }) => hub)
    await Promise.all(processes.map((hub) => hub.line(/descriptor published/)))
    const programs = [this.directoryProcess as HostProcess, ...processes]
    await Promise.all(programs.map((program) => hasMapOf(processes.length, program)))
  }

  #spawnHub(host: Host, city: CityName): HostProcess {
    const { hub } = this.#options
    const config: HubConfig = {
      networkFile: this.networkFile,
      stateDir: this.#file(host.name),
      listen: [`${host.ipv4}:${LINK_PORT}`, `[${host.ipv6}]:${LINK_PORT}`],
      listenNoise: [`${host.ipv4}:${NOISE_PORT}`],
      roles: { home: true, relay: true, exit4: true, exit6: true },
      operator: `operator of ${host.name}`,
      limits: UNLIMITED_HUB,
      drainSeconds: 0,
      ...(typeof hub === 'function' ? hub(city) : hub),
    }
    const file = writeJson(this.world.folder, `${host.name}.json`, config)
    return host.spawn(program('spn-hub'), ['--config', file])
  }

  #writeClientConfig(): void {
    const { rules } = this.#options
    const rulesFile = rules === undefined ? null : this.#file('rules.yaml')
    if (rules !== undefined && rulesFile !== null) writeFileSync(rulesFile, rules(this))
    const own = this.#cgroup === undefined ? { gid: CLIENT_GID } : { cgroup: this.#cgroup.path }
    const config: ClientConfig = {
      networkFile: this.networkFile,
      stateDir: this.clientStateDir,
      socks: `127.0.0.1:${SOCKS_PORT}`,
      intercept: this.intercepts ? { own } : null,
      hops: this.#options.hops ?? 3,
      rulesFile,
      geo: { overridesFile: this.#file('places.json'), overridesOnly: true },
      ...this.#options.client,
    }
    writeJson(this.world.folder, 'client.json', config)
  }

  #file(name: string): string {
    return join(this.world.folder, name)
  }
}

function directoryNames({ directories: { count } = { count: 1, threshold: 1 } }: SpnWorldOptions): string[] {
  return Array.from({ length: count }, (_, i) => (i === 0 ? 'directory' : `directory${i}`))
}

function lineOf(line: LineSpec | undefined): { line?: LineSpec } {
  return line === undefined ? {} : { line }
}

/** Names of hosts have at most twelve characters. */
function hubName(city: CityName): string {
  return `hub-${city.toLowerCase()}`.slice(0, 12)
}

function hostName(city: CityName): string {
  return city.toLowerCase().slice(0, 12)
}

/** Waits until a program has, or has published, a map of so many hubs. */
async function hasMapOf(hubs: number, program: HostProcess): Promise<void> {
  for (let tries = 0; tries < MAP_TRIES; tries++) {
    const line = program.lines.findLast((text) => /"message":"(map published|hub map in use)"/.test(text))
    if (line !== undefined && (JSON.parse(line) as { hubs: number }).hubs >= hubs) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`no map with ${hubs} hubs:\n${program.lines.slice(-20).join('\n')}`)
}

/** A program of the network as its operators start it. */
function program(name: 'spn' | 'spn-hub' | 'spn-directory'): string {
  return join(ROOT, 'deploy/bin', name)
}
