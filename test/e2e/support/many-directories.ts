import { cpSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ByteReader } from '../../../shared/base/byte-reader.ts'
import { toHex } from '../../../shared/base/bytes.ts'
import type { KeyedHub } from '../../../shared/map/key-bundles.ts'
import type { Network } from '../../../shared/map/network.ts'
import { readNetworkFile } from '../../../shared/map/network-file.ts'
import { writeJson } from '../../net/network-config.ts'
import { serveHttp } from '../../world/destinations.ts'
import { declaredHubs } from '../../world/directory-files.ts'
import type { HostProcess } from '../../world/host-process.ts'
import { MapWitness } from '../../world/map-witness.ts'
import { type CityName, SpnWorld } from '../../world/spn-world.ts'
import type { WorldDirectory } from '../../world/world-directories.ts'
import type { Face } from './evil-directory.ts'

export const THRESHOLD = 5
const COUNT = 7
/** Phases have a seventh of it. */
export const EPOCH_S = 8
/** Where the second face of an evil directory is. */
const OTHER_PORT = 81
/** Only for what hangs: the machine may be slow, and busy with other things. */
const GIVE_UP_MS = 120_000
const LOOK_MS = 200

/** Each has one thing to do; the last one shows itself to the directories from the sixth on not at all. */
const HUBS: Readonly<Partial<Record<CityName, { roles: object; capacityMbit: number }>>> = {
  berlin: { roles: { home: true, relay: false, exit4: false, exit6: false }, capacityMbit: 100 },
  london: { roles: { home: false, relay: true, exit4: false, exit6: false }, capacityMbit: 200 },
  newYork: { roles: { home: false, relay: false, exit4: true, exit6: true }, capacityMbit: 300 },
  sydney: { roles: { home: false, relay: true, exit4: false, exit6: false }, capacityMbit: 400 },
}
const SHY: CityName = 'sydney'
const SHY_FROM = 5
const RESET = ['-j', 'REJECT', '--reject-with', 'tcp-reset']

const EVIL_DIRECTORY = fileURLToPath(new URL('evil-directory.ts', import.meta.url))
const MAP_WATCHER = fileURLToPath(new URL('../../world/map-watcher.ts', import.meta.url))

/** What a directory says of itself. */
export interface Health {
  readonly epoch?: number
  readonly round?: { readonly deciding: number; readonly votes: number; readonly echoes: number } & Readonly<
    Record<'chosen' | 'signatures' | 'disagreeing' | 'proofs' | 'silent', number>
  >
}

function isOf({ deciding, chosen }: NonNullable<Health['round']>, epoch: number, votes: number): boolean {
  return deciding === epoch && chosen === votes
}

/** What became of one request of a program of the user. Times are Unix ms. */
export interface Request {
  readonly from: number
  readonly to: number
  readonly code: number | null
  /** The address that the destination saw. */
  readonly seen: string
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** A network of seven directories, with a client whose programs go on all the time, and with somebody who sees all maps. */
export class ManyDirectories {
  readonly spn: SpnWorld
  readonly network: Network
  readonly witness: MapWitness
  /** Hubs as they really are. */
  readonly hubs: readonly KeyedHub[]
  readonly requests: Request[] = []
  /** Epochs of the maps that each shows, by url, and that the client uses. */
  readonly shown = new Map<string, number>()
  clientEpoch = 0
  /** All that directories said of themselves, by url. */
  readonly health = new Map<string, Health[]>()
  readonly #clientFile: string
  #clientBytes = ''
  #closing = false
  #parts: Promise<unknown> = Promise.resolve()

  private constructor(spn: SpnWorld) {
    this.spn = spn
    this.network = readNetworkFile(spn.networkFile)
    this.witness = new MapWitness(this.network)
    const [first] = spn.directories as [WorldDirectory]
    this.hubs = declaredHubs(first.stateDir, this.network, (operator) => {
      const hub = spn.hubs.find(({ host }) => operator.endsWith(host.name))
      if (hub === undefined) throw new Error(`a hub of ${operator}`)
      return hub.city
    })
    this.#clientFile = join(spn.clientStateDir, 'hub-map')
  }

  /** The client is up, and programs are at work, when this resolves. */
  static async create(mapLifeEpochs: number): Promise<ManyDirectories> {
    const spn = await SpnWorld.create({
      ...{ hubs: Object.keys(HUBS) as CityName[], destinations: ['paris'], userCity: 'warsaw' },
      directories: { count: COUNT, threshold: THRESHOLD },
      directory: { epochSeconds: EPOCH_S, mapLifeEpochs },
      hub: (city) => HUBS[city] ?? {},
      beforeHubs: async (world) => {
        const shy = world.host(`hub-${SHY}`)
        for (let i = SHY_FROM; i < COUNT; i++) {
          const { ipv4, ipv6 } = world.host(`directory${i}`)
          // Only calls are refused: the refusal itself comes in the name of the other end.
          const refuse = (tool: string, chain: string, end: string, address: string): Promise<string> =>
            shy.mustRun(tool, ['-w', '-A', chain, '-p', 'tcp', '--syn', end, address, ...RESET])
          await refuse('iptables', 'OUTPUT', '-d', ipv4)
          await refuse('iptables', 'INPUT', '-s', ipv4)
          await refuse('ip6tables', 'INPUT', '-s', ipv6)
        }
      },
    })
    try {
      await serveHttp(spn.destination('paris'))
      const many = new ManyDirectories(spn)
      await many.#start()
      return many
    } catch (error) {
      await spn.close()
      throw error
    }
  }

  directory(index: number): WorldDirectory {
    return this.spn.directories[index] as WorldDirectory
  }

  get urls(): readonly string[] {
    return this.spn.directories.map(({ url }) => url)
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#parts
    await this.spn.close()
  }

  /** Waits for something that the world does. @throws with what was to be seen meanwhile, if it does not come */
  async until<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
    const giveUpAt = Date.now() + GIVE_UP_MS
    for (;;) {
      const found = await look()
      if (found !== undefined && found !== false) return found
      if (Date.now() > giveUpAt) throw new Error(`${what} did not come: ${this.#story()}`)
      await sleep(LOOK_MS)
    }
  }

  /** The epoch that runs now. */
  get now(): number {
    return Math.floor(Date.now() / 1000 / EPOCH_S)
  }

  /** Waits for so many maps that were decided after now, at all these directories, and until the client uses such a one. */
  async newMaps(count: number, indexes: readonly number[]): Promise<void> {
    // What is decided at the moment began before.
    const from = this.now + 2
    await this.until(`${count} maps from ${from} on`, () => {
      const some = this.witness.epochs.filter((epoch) => epoch >= from)
      const newest = some.at(-1) ?? 0
      const all = indexes.every((index) => (this.shown.get(this.directory(index).url) ?? 0) >= newest)
      return some.length >= count && all && this.clientEpoch >= from
    })
  }

  /** What is wrong with all maps from an epoch on. The shy hub may be missing where not all of those were in time. */
  mistakes(since: number, inTime: (epoch: number) => boolean = () => true): string[] {
    const shy = this.spn.hubOf(SHY).host.name
    return this.witness.mistakes(this.hubs, since, (epoch, { operator }) => operator.endsWith(shy) && !inTime(epoch))
  }

  /** Did all these directories choose so many votes for the map of this epoch? Else some came too late. */
  chose(votes: number, epoch: number, indexes: readonly number[]): boolean {
    return indexes.every((index) => this.roundsOf(index, epoch).some((round) => isOf(round, epoch, votes)))
  }

  /** Waits for so many maps from this epoch on that all these directories made of so many votes. Their epochs. */
  async mapsOf(votes: number, count: number, from: number, indexes: readonly number[]): Promise<readonly number[]> {
    return this.until(`${count} maps of ${votes} votes from ${from} on`, () => {
      const some = this.witness.epochs.filter((epoch) => epoch >= from && this.chose(votes, epoch, indexes))
      return some.length >= count && some
    })
  }

  /** Ends directories at once, without a goodbye. */
  async kill(...indexes: number[]): Promise<void> {
    for (const index of indexes) this.directory(index).process?.kill('SIGKILL')
    await Promise.all(indexes.map((index) => this.directory(index).process?.exited))
  }

  async start(...indexes: number[]): Promise<void> {
    await Promise.all(indexes.map((index) => this.spn.startDirectory(this.directory(index))))
  }

  /** A directory goes on as one that lies about every hub. */
  async startLiar(index: number): Promise<void> {
    const { config } = this.directory(index)
    await this.#startEvil(index, [{ config, vote: 'lies', lateMs: 0 }])
  }

  /**
   * Directories go on with two faces: the truth for all but those of `half`, and votes without relays for these.
   * They know of each other, and each face keeps to those of the same side.
   */
  async startTwoFaced(evil: readonly number[], half: readonly number[], lateMs: number): Promise<void> {
    await Promise.all(
      evil.map(async (index) => {
        const { host, config, stateDir, url } = this.directory(index)
        const otherDir = `${stateDir}-other-${Date.now()}`
        cpSync(stateDir, otherDir, { recursive: true })
        const configured = JSON.parse(readFileSync(config, 'utf8')) as object
        const own = { stateDir: otherDir, listen: `${host.ipv4}:${OTHER_PORT}` }
        const otherConfig = writeJson(dirname(config), `${host.name}-other.json`, { ...configured, ...own })
        const away = half.map((peer) => this.directory(peer))
        const rule = (address: string): string[] => {
          const to = ['-p', 'tcp', '--dport', '80', '-j', 'REDIRECT', '--to-ports', `${OTHER_PORT}`]
          return ['-w', '-t', 'nat', '-A', 'PREROUTING', '-s', address, ...to]
        }
        await host.mustRun('iptables', ['-w', '-t', 'nat', '-F', 'PREROUTING'])
        for (const peer of away) await host.mustRun('iptables', rule(peer.host.ipv4))
        const accomplices = evil.filter((other) => other !== index).map((other) => this.directory(other).url)
        const others = this.spn.directories.filter((peer) => peer.url !== url && !accomplices.includes(peer.url))
        const known = (all: readonly WorldDirectory[], port: string): Record<string, string> =>
          Object.fromEntries([
            ...all.map((peer) => [peer.url, peer.url]),
            ...accomplices.map((peer) => [peer, `${peer}${port}`]),
          ])
        const here = others.filter((peer) => !away.includes(peer))
        await this.#startEvil(index, [
          { config, vote: 'the truth', lateMs, peers: known(here, '') },
          { config: otherConfig, vote: 'no relays', lateMs, peers: known(away, `:${OTHER_PORT}`) },
        ])
      }),
    )
  }

  /** Nothing gets to this directory or from it any more; only the watcher, who stands in between, still sees it. */
  async cutOff(index: number): Promise<void> {
    await this.#cut(index, '-I')
  }

  async join(index: number): Promise<void> {
    await this.#cut(index, '-D')
  }

  /** The key of a directory, as its notes have it, hexadecimal. */
  keyOf(index: number): string {
    return toHex(this.network.directories[index]?.key.bytes ?? new Uint8Array())
  }

  /** What a directory said of the rounds of these epochs. */
  roundsOf(index: number, since: number): readonly NonNullable<Health['round']>[] {
    const all = this.health.get(this.directory(index).url) ?? []
    return all.flatMap(({ round }) => (round !== undefined && round.deciding >= since ? [round] : []))
  }

  /** Packets that went from the user to the destination or back by themselves. */
  async leaks(): Promise<number> {
    const text = await this.spn.world.internet.mustRun('iptables', ['-w', '-nvxL', 'leaks'])
    return [...text.matchAll(/^\s*(\d+)\s+\d+\s/gm)].reduce((sum, [, packets]) => sum + Number(packets), 0)
  }

  async status(): Promise<{ readonly state: string; readonly fault?: string; readonly reason?: string }> {
    return ((await this.spn.ask('status')) as { protection: { state: string } }).protection
  }

  async #start(): Promise<void> {
    const { spn } = this
    const { internet } = spn.world
    const [user, paris] = [spn.user.ipv4, spn.destination('paris').ipv4]
    await internet.mustRun('iptables', ['-w', '-N', 'leaks'])
    await internet.mustRun('iptables', ['-w', '-A', 'FORWARD', '-j', 'leaks'])
    for (const [from, to] of [
      [user, paris],
      [paris, user],
    ] as const) {
      await internet.mustRun('iptables', ['-w', '-A', 'leaks', '-s', from, '-d', to])
    }
    const others = this.urls.map((url) => `${url}:${OTHER_PORT}`)
    const watcher = internet.node(MAP_WATCHER, [...this.urls, ...others])
    watcher.onLine((line) => this.#seen(line))
    await watcher.line(/^ready$/)
    await spn.startClient(GIVE_UP_MS)
    this.#parts = Promise.all([this.#keepAsking(paris), this.#watchClient()])
    await this.until('the first page', () => this.requests.some(({ code }) => code === 0))
  }

  #seen(line: string): void {
    if (!line.startsWith('{')) return
    const { url, map, health } = JSON.parse(line) as { url: string; map?: string; health?: Health }
    if (health !== undefined) this.health.set(url, [...(this.health.get(url) ?? []), health])
    if (map === undefined) return
    const shown = this.witness.shown(new Uint8Array(Buffer.from(map, 'base64')), url)
    if (shown !== undefined) this.shown.set(url, shown.content.epoch)
  }

  /** A program that asks the destination for something again and again, each time by a new connection. */
  async #keepAsking(address: string): Promise<void> {
    const words = ['-sS', '--max-time', '30', `http://${address}/address`]
    while (!this.#closing) {
      const from = Date.now()
      const { code, stdout } = await this.spn.user.run('curl', words, { timeoutMs: GIVE_UP_MS })
      this.requests.push({ from, to: Date.now(), code, seen: stdout.trim() })
      await sleep(500)
    }
  }

  /** The client keeps the map that it uses on its disk. */
  async #watchClient(): Promise<void> {
    while (!this.#closing) {
      const bytes = new Uint8Array(readFileSync(this.#clientFile))
      const reader = new ByteReader(bytes)
      reader.u64()
      const map = reader.bytes(reader.u32())
      const name = toHex(map)
      const used = name === this.#clientBytes ? undefined : this.witness.used(map, 'the client')
      if (used !== undefined) this.clientEpoch = used.content.epoch
      this.#clientBytes = name
      await sleep(LOOK_MS)
    }
  }

  async #startEvil(index: number, faces: readonly Face[]): Promise<void> {
    const directory = this.directory(index)
    const started: HostProcess = directory.host.node(EVIL_DIRECTORY, [JSON.stringify({ faces })])
    directory.process = started
    await started.line(/^ready$/)
  }

  async #cut(index: number, how: '-I' | '-D'): Promise<void> {
    const { ipv4, ipv6 } = this.directory(index).host
    for (const [tool, address] of [
      ['iptables', ipv4],
      ['ip6tables', ipv6],
    ] as const) {
      for (const end of ['-s', '-d']) {
        await this.spn.world.internet.mustRun(tool, ['-w', how, 'FORWARD', end, address, '-j', 'DROP'])
      }
    }
  }

  #story(): string {
    const last = this.urls.map((url) => ({ url, shows: this.shown.get(url), ...this.health.get(url)?.at(-1) }))
    const lines = this.spn.directories.map(({ process }) => process?.lines.slice(-6).join('\n'))
    const mistakes = this.mistakes(this.now - 10)
    const facts = { mistakes, client: this.clientEpoch, last, requests: this.requests.slice(-3) }
    return `${JSON.stringify(facts, undefined, 1)}\n${lines.join('\n')}\n${this.spn.client?.lines.slice(-15).join('\n')}`
  }
}
