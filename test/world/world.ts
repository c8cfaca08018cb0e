import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Delays, startDelays } from './delay.ts'
import type { DelayStats } from './delay-box.ts'
import type { DnsQuestion } from './dns-answer.ts'
import { Host } from './host.ts'
import { type HostSpec, planHosts, ROUTER } from './host-plan.ts'
import type { HostProcess } from './host-process.ts'
import { type NameTable, nameTable, writeNameFiles } from './name-files.ts'
import { Namespace } from './namespace.ts'
import { type Override, overridesOf } from './overrides.ts'
import { findLeftovers, newWorldId, remainsOf, removeWorlds, startJanitor, worldFolder } from './ownership.ts'
import { worldSupport } from './support.ts'
import { makeHost, makeRouter, wiresReady } from './wires.ts'

export interface WorldOptions {
  readonly hosts: readonly HostSpec[]
  /** Packets between hosts take as long as light does in cables between their places. Default false: no delay. */
  readonly delays?: boolean
  /**
   * Names besides `<host>.test`, each with its addresses. Instead of an address it may name a host, for all addresses
   * of that host.
   */
  readonly dns?: NameTable
}

/** A question that a host of the world asked its DNS server. */
export interface DnsQuery extends DnsQuestion {
  /** Address of the host. */
  readonly from: string
  readonly transport: 'udp' | 'tcp'
}

const DNS_SERVER = fileURLToPath(new URL('dns-server.ts', import.meta.url))
const JANITOR_MS = 60_000
const MAX_QUERIES = 100_000

/**
 * A small internet on one machine: hosts in network namespaces, each with a wire to one router, each at a place on
 * Earth. Nothing leads out of it. It ends with `close()`, or with the process that made it.
 */
export class World {
  readonly id: string
  /** For files of tests; removed with the world. Readable for every user. */
  readonly folder: string
  /** The router, where captures and firewall rules see what all hosts send each other. */
  readonly internet: Namespace
  readonly names: NameTable
  readonly overrides: readonly Override[]
  readonly hosts: readonly Host[]
  readonly #janitor: ChildProcess
  readonly #queries: DnsQuery[] = []
  #delays: Delays | undefined
  #closing: Promise<void> | undefined

  private constructor(options: WorldOptions) {
    const plans = planHosts(options.hosts)
    this.names = nameTable(plans, options.dns ?? {})
    this.overrides = overridesOf(plans)
    this.id = newWorldId()
    this.folder = worldFolder(this.id)
    this.internet = new Namespace(`${this.id}-${ROUTER}`, ROUTER)
    this.hosts = plans.map((plan) => new Host(`${this.id}-${plan.spec.name}`, plan, this.internet))
    this.#janitor = startJanitor(this.id)
  }

  /**
   * Makes a world; its hosts can talk to each other when this resolves. First removes what worlds have left whose owner
   * was killed. Rejects, with nothing left behind, if the specs are wrong or the machine does not allow it.
   */
  static async create(options: WorldOptions): Promise<World> {
    const support = worldSupport()
    if (!support.possible) throw new Error(`no world is possible: ${support.why}`)
    await removeWorlds(await findLeftovers())
    const world = new World(options)
    try {
      await world.#build(options.delays ?? false)
    } catch (error) {
      await world.close()
      throw error
    }
    return world
  }

  /** The host of this name. Throws if the world has none. */
  host(name: string): Host {
    const host = this.hosts.find((one) => one.name === name)
    if (host === undefined) throw new Error(`the world has no host ${name}`)
    return host
  }

  /** What the DNS server was asked until now. */
  get queries(): readonly DnsQuery[] {
    return this.#queries
  }

  /** What the delays did until now; undefined in a world without. */
  async delayStats(): Promise<DelayStats | undefined> {
    return this.#delays?.stats()
  }

  /** Ends all programs in the world, then removes everything of it from the machine. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#remove()
    return this.#closing
  }

  async #build(delays: boolean): Promise<void> {
    mkdirSync(this.folder, { mode: 0o755 })
    writeNameFiles(this.internet.id, undefined, this.names)
    await makeRouter(this.internet.id)
    // All of them to their end, also when one fails: what is still being made could not be removed.
    const made = await Promise.allSettled(
      this.hosts.map((host) => {
        writeNameFiles(host.id, host.plan, this.names)
        return makeHost(this.internet.id, host.id, host.plan)
      }),
    )
    for (const result of made) if (result.status === 'rejected') throw result.reason
    await wiresReady([this.internet.id, ...this.hosts.map((host) => host.id)])
    await this.#startDns()
    if (!delays) return
    const plans = this.hosts.map((host) => host.plan)
    this.#delays = await startDelays(this.internet, plans, this.folder)
    this.#watch(this.#delays.process)
  }

  async #startDns(): Promise<void> {
    const file = join(this.folder, 'names.json')
    writeFileSync(file, JSON.stringify(this.names))
    const server = this.internet.node(DNS_SERVER, [file])
    await server.line(/^ready$/)
    this.#watch(server)
    server.onLine((line) => {
      if (line.startsWith('{') && this.#queries.length < MAX_QUERIES) this.#queries.push(JSON.parse(line) as DnsQuery)
    })
  }

  /** Without one of its own programs the world goes wrong in ways that look like faults of what is tested: say so. */
  #watch(part: HostProcess): void {
    void part.exited.then((exit) => {
      if (this.#closing !== undefined) return
      process.stderr.write(`world: ${part.title} ended: ${JSON.stringify(exit)}\n${part.lines.slice(-30).join('\n')}\n`)
    })
  }

  async #remove(): Promise<void> {
    // The router last: programs may still say goodbye to each other.
    await Promise.all(this.hosts.map((host) => host.stopAll()))
    await this.internet.stopAll()
    await removeWorlds([this.id])
    if (this.#janitor.exitCode === null && this.#janitor.signalCode === null) {
      this.#janitor.ref() // or nothing would keep this process until it has ended
      this.#janitor.stdin?.end()
      await once(this.#janitor, 'exit', { signal: AbortSignal.timeout(JANITOR_MS) })
    }
    const remains = await remainsOf(this.id)
    if (remains.length > 0) throw new Error(`of a world this could not be removed: ${remains.join(', ')}`)
  }
}
