import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { systemRandom } from '../../shared/base/random.ts'
import type { Place } from '../../shared/geo/place.ts'
import { directHttp } from '../../shared/map/direct-http.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { LinkTransport } from '../../shared/map/link-address.ts'
import { readNetworkFile } from '../../shared/map/network-file.ts'
import { Program } from '../support/program.ts'
import { freePort } from './free-port.ts'
import {
  type ClientConfig,
  type HubConfig,
  type OverrideLine,
  overrideLine,
  QUICK_DIRECTORY,
  UNLIMITED_HUB,
  writeJson,
} from './network-config.ts'

export interface LoopbackOptions {
  readonly hubs: number
  /** Where the client's SOCKS proxy listens; port 0 for any. */
  readonly socks: { readonly host: string; readonly port: number }
  readonly hops: number
  readonly logLevel: 'error' | 'warn' | 'info' | 'debug'
  /** Where other addresses of loopback are. */
  readonly places?: readonly OverrideLine[]
  /** What all links run over: TLS, if nothing is said. */
  readonly transport?: LinkTransport
  /** Further configuration of the client, and of every hub. */
  readonly client?: Partial<ClientConfig>
  readonly hub?: (address: string) => Partial<HubConfig>
  /** Flags for Node in hubs and client, for profiles. */
  readonly nodeFlags?: readonly string[]
  /** A hub that is told to stop waits so long for its circuits; 0 for not at all. */
  readonly drainSeconds?: number
}

export interface LoopbackReady {
  readonly directory: { readonly pid: number; readonly port: number }
  readonly hubs: readonly {
    readonly pid: number
    readonly address: string
    readonly port: number
    readonly city: string
    readonly place: Place
  }[]
  readonly client: { readonly pid: number; readonly socksHost: string; readonly socksPort: number }
}

const PLACES_FILE = 'places.json'

const PLACES: readonly Place[] = [
  { latitude: 48.2082, longitude: 16.3738, country: 'AT', city: 'Vienna' },
  { latitude: 52.52, longitude: 13.405, country: 'DE', city: 'Berlin' },
  { latitude: 40.4168, longitude: -3.7038, country: 'ES', city: 'Madrid' },
  { latitude: 59.3293, longitude: 18.0686, country: 'SE', city: 'Stockholm' },
  { latitude: 40.7128, longitude: -74.006, country: 'US', city: 'New York' },
  { latitude: 35.6762, longitude: 139.6503, country: 'JP', city: 'Tokyo' },
  { latitude: -33.8688, longitude: 151.2093, country: 'AU', city: 'Sydney' },
  { latitude: -23.5505, longitude: -46.6333, country: 'BR', city: 'Sao Paulo' },
]

/**
 * A whole network of real processes on loopback: a directory, hubs on addresses of their own (127.1.0.1, .2, ...),
 * a client with a SOCKS proxy. No namespaces, no rights. 127.0.0.0/8 and ::1 count as public in it.
 */
export class LoopbackNetwork {
  readonly #options: LoopbackOptions
  readonly #folder = mkdtempSync(join(tmpdir(), 'spn-net-'))
  readonly programs: Program[] = []
  #started: Promise<LoopbackReady> | undefined
  #stopped = false

  constructor(options: LoopbackOptions) {
    this.#options = options
  }

  get folder(): string {
    return this.#folder
  }

  /** The client's configuration file, for commands to it. */
  get clientConfig(): string {
    return join(this.#folder, 'client.json')
  }

  get #networkFile(): string {
    return join(this.#folder, 'network.json')
  }

  /** @throws Fault cancelled if it is stopped meanwhile; ProgramEnded */
  start(): Promise<LoopbackReady> {
    this.#started ??= this.#start().catch((error) => {
      throw this.#stopped ? new Fault('cancelled', {}, error) : error
    })
    return this.#started
  }

  async #start(): Promise<LoopbackReady> {
    const { hubs: count, socks, hops, transport } = this.#options
    const directoryPort = await freePort('127.0.0.1')
    const networkFile = this.#networkFile
    const overridesFile = writeJson(this.#folder, PLACES_FILE, [
      ...Array.from({ length: count }, (_, i) => overrideLine(`${hubAddress(i)}/32`, placeOf(i), 64_500 + i)),
      ...(this.#options.places ?? []),
    ])
    const directory = await this.#startDirectory(directoryPort, networkFile, overridesFile)
    const ports = await Promise.all(Array.from({ length: count }, (_, i) => freePort(hubAddress(i))))
    const noisePorts = await Promise.all(ports.map((_, i) => freePort(hubAddress(i))))
    const hubs = ports.map((port, i) => this.#startHub(i, port, noisePorts[i] as number, networkFile))
    await Promise.all(hubs.map((hub) => hub.line('descriptor published')))
    const from = transport === 'noise' ? await epochWithNoise(networkFile, count) : 0
    await Promise.all([directory, ...hubs].map((program) => mapWith(count, from, program)))

    const port = socks.port === 0 ? await freePort(socks.host) : socks.port
    const client = await this.startClient('client', { socks: `${socks.host}:${port}`, hops })
    return {
      directory: { pid: directory.pid, port: directoryPort },
      hubs: hubs.map((hub, i) => ({
        pid: hub.pid,
        address: hubAddress(i),
        port: ports[i] as number,
        city: placeOf(i).city,
        place: placeOf(i),
      })),
      client: { pid: client.pid, socksHost: socks.host, socksPort: port },
    }
  }

  /** A client, with its configuration in NAME.json, when it is ready for connections. */
  async startClient(name: string, changes: Partial<ClientConfig>): Promise<Program> {
    const { logLevel, transport = 'tls', nodeFlags } = this.#options
    const config: ClientConfig = {
      networkFile: this.#networkFile,
      stateDir: join(this.#folder, name),
      geo: { overridesFile: join(this.#folder, PLACES_FILE), overridesOnly: true },
      ...{ transport, logLevel },
      ...this.#options.client,
      ...changes,
    }
    const file = writeJson(this.#folder, `${name}.json`, config)
    const client = this.#spawn(name, ['deploy/bin/spn', 'run', '--config', file], nodeFlags)
    await client.line('home link up')
    return client
  }

  /** Ends all programs and removes their files; also while it starts. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.programs].reverse().map((program) => program.stop()))
    await this.#started?.catch(() => undefined) // it writes files until it notices
    if (existsSync(this.#folder)) rmSync(this.#folder, { recursive: true })
  }

  async #startDirectory(port: number, networkFile: string, overridesFile: string): Promise<Program> {
    const stateDir = join(this.#folder, 'directory')
    const init = this.#spawn('directory init', [
      ...['deploy/bin/spn-directory', 'init', '--state-dir', stateDir, '--network-file', networkFile],
      ...['--network', 'loopback', '--name', 'directory', '--url', `http://127.0.0.1:${port}`, '--test-network', 'yes'],
    ])
    if ((await init.exit()) !== 0) throw new Error(`directory init failed:\n${init.output}`)
    const config = writeJson(this.#folder, 'directory.json', {
      ...QUICK_DIRECTORY,
      networkFile,
      stateDir,
      listen: `127.0.0.1:${port}`,
      addressScope: ['127.0.0.0/8', '::1/128'],
      geo: { overridesFile, overridesOnly: true },
      logLevel: 'info',
    })
    const directory = this.#spawn('directory', ['deploy/bin/spn-directory', 'run', '--config', config])
    await directory.line('directory started')
    return directory
  }

  #startHub(index: number, port: number, noisePort: number, networkFile: string): Program {
    const name = `hub${index}`
    const { transport = 'tls', nodeFlags } = this.#options
    const config: HubConfig = {
      networkFile,
      stateDir: join(this.#folder, name),
      listen: [`${hubAddress(index)}:${port}`],
      listenNoise: transport === 'noise' ? [`${hubAddress(index)}:${noisePort}`] : [],
      transport,
      roles: { home: true, relay: true, exit4: true, exit6: false },
      operator: `operator ${index}`,
      limits: UNLIMITED_HUB,
      drainSeconds: this.#options.drainSeconds ?? 0,
      logLevel: 'info',
      ...this.#options.hub?.(hubAddress(index)),
    }
    const file = writeJson(this.#folder, `${name}.json`, config)
    return this.#spawn(name, ['deploy/bin/spn-hub', '--config', file], nodeFlags)
  }

  #spawn(name: string, command: readonly string[], nodeFlags: readonly string[] = []): Program {
    if (this.#stopped) throw new Fault('cancelled')
    const program = new Program(name, command, nodeFlags.length > 0 ? { NODE_OPTIONS: nodeFlags.join(' ') } : {})
    this.programs.push(program)
    return program
  }
}

export function hubAddress(index: number): string {
  return `127.1.${Math.floor(index / 250)}.${(index % 250) + 1}`
}

export function placeOf(index: number): Place {
  return PLACES[index % PLACES.length] as Place
}

/** The first epoch whose map has a noise address of every hub. The directory finds them one after the other. */
async function epochWithNoise(networkFile: string, hubs: number): Promise<number> {
  const network = readNetworkFile(networkFile)
  const directories = new DirectoryClient(network, { clock: systemClock, random: systemRandom })
  const signal = AbortSignal.timeout(120_000)
  for (;;) {
    const { networkMs } = await directories.fetchTime(directHttp, signal)
    // There is none before the first epoch with hubs.
    const map = await directories.fetchMap(directHttp, networkMs, undefined, signal).catch(() => undefined)
    const reached = map?.content.hubs.filter(({ noiseAddresses }) => noiseAddresses.length > 0) ?? []
    if (map !== undefined && reached.length >= hubs) return map.content.epoch
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** Waits until this program has, or has published, a map of so many hubs, of this epoch or a later one. */
async function mapWith(hubs: number, fromEpoch: number, program: Program): Promise<void> {
  for (let tries = 0; tries < 900; tries++) {
    const line = program.output.split('\n').findLast((text) => /"message":"(map published|hub map in use)"/.test(text))
    const map = JSON.parse(line ?? '{"hubs":0,"epoch":0}') as { hubs: number; epoch: number }
    if (map.hubs >= hubs && map.epoch >= fromEpoch) return
    if (program.exited !== undefined) break
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`${program.name} has no map with ${hubs} hubs:\n${program.output}`)
}

/** CPU seconds (user and system) that a process has used so far. */
export function cpuSeconds(pid: number): number {
  return parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8'))
}

/** @param stat what /proc/PID/stat holds; the name in it may have spaces and brackets */
export function parseCpuSeconds(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}

/** Resident memory of a process, MiB. */
export function rssMiB(pid: number): number {
  const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1] ?? 0) / 1024
}
