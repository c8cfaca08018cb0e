import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concatBytes, toHex } from '../../shared/base/bytes.ts'
import { KEY_BUNDLES } from '../../shared/map/hub-map.ts'
import { bundleHash } from '../../shared/map/key-bundles.ts'
import { type HubMap, UnverifiedMap } from '../../shared/map/signed-map.ts'
import { median } from '../bench/report.ts'
import { runAsClient } from '../support/as-client.ts'
import { DirectoryReplicas } from '../support/directory-replicas.ts'
import { eventually, RedisServers } from '../support/redis-servers.ts'
import { PLAN_RANGES } from './address-plan.ts'
import { type Answers, announceAll } from './announce.ts'
import { HeadClock } from './head-clock.ts'
import { type CrowdHub, HubCrowd } from './hub-crowd.ts'
import { askOften } from './map-requests.ts'

export interface ScaleOptions {
  readonly hubs: number
  /** That come in a second. */
  readonly arrivals: number
  readonly epochSeconds: number
  /** How long each kind of request is made. */
  readonly requestSeconds: number
  /** Given up after so long. */
  readonly timeoutSeconds: number
}

export interface Figure {
  readonly name: string
  readonly value: number
  readonly unit: string
  /** What it has to be. */
  readonly most?: number
  readonly least?: number
}

const REPLICAS = 3
const REDIS_REPLICAS = 2
const CHURN = 0.01
/** Whole epochs that are timed while nobody comes or goes. */
const QUIET_EPOCHS = 2
const LOADS = 3
const MIB = 1024 * 1024

/** Three replicas of a directory on a real Redis, and a crowd of hubs that announce themselves and are dialled. */
export async function runScale(options: ScaleOptions, told: (figure: Figure) => void): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'spn-scale-'))
  const redis = await RedisServers.start({ replicas: REDIS_REPLICAS })
  const { epochSeconds } = options
  const changes = { epochSeconds, mapLifeEpochs: 1000, addressScope: [...PLAN_RANGES] }
  const directory = await DirectoryReplicas.start(REPLICAS, redis.url, changes, '[::]')
  const crowd = new HubCrowd(directory.network.id)
  const clock = new HeadClock(directory.replicas.map(doorOf))
  try {
    await crowd.start()
    await new ScaleRun(options, told, { folder, directory, crowd, clock }).run()
  } finally {
    await clock.close()
    for (const { name, program } of directory.replicas)
      process.stderr.write(`${name}:\n${program.output.slice(-4000)}\n`)
    await directory.stop()
    await redis.stop()
    await crowd.close()
    rmSync(folder, { recursive: true })
  }
}

interface ScaleParts {
  readonly folder: string
  readonly directory: DirectoryReplicas
  readonly crowd: HubCrowd
  readonly clock: HeadClock
}

class ScaleRun {
  readonly #options: ScaleOptions
  readonly #told: (figure: Figure) => void
  readonly #parts: ScaleParts

  constructor(options: ScaleOptions, told: (figure: Figure) => void, parts: ScaleParts) {
    this.#options = options
    this.#told = told
    this.#parts = parts
  }

  async run(): Promise<void> {
    const { hubs: count } = this.#options
    const { crowd, clock } = this.#parts
    const hubs = crowd.grow(count)
    this.#tell('scale.hubs', count, 'hubs')
    await this.#takeIn(hubs)
    const quiet = await this.#timeEpochs('scale.publish', clock.epoch)
    const before = await this.#map(quiet)
    const after = await this.#churn(hubs, before)
    await this.#requests(before, after)
    await this.#loads(after)
    for (const [i, { program }] of this.#parts.directory.replicas.entries()) {
      this.#tell(`scale.replica${i}_rss_mib`, memoryMib(program.pid, 'VmRSS'), 'MiB')
      this.#tell(`scale.replica${i}_peak_mib`, memoryMib(program.pid, 'VmHWM'), 'MiB')
    }
    this.#tell('scale.crowd_peak_mib', memoryMib(process.pid, 'VmHWM'), 'MiB')
  }

  async #takeIn(hubs: readonly CrowdHub[]): Promise<void> {
    const { crowd, clock } = this.#parts
    const started = performance.now()
    this.#tellAnswers(await this.#announce(hubs, (hub) => crowd.signed(hub)))
    this.#tell('scale.accepted_s', (performance.now() - started) / 1000, 's')
    const wanted = new Set(hubs.map(({ key }) => toHex(key.publicBytes)))
    const { map } = await this.#mapWith(
      (found) => found.size === wanted.size && [...wanted].every((key) => found.has(key)),
    )
    this.#tell('scale.in_map', map.content.hubs.length, 'hubs', { least: hubs.length })
    this.#tell('scale.all_in_map_s', (performance.now() - started) / 1000, 's')
    this.#tell('scale.links', crowd.links, 'links')
    this.#tellEpochs('scale.publish_busy', clock.epochs)
  }

  /** @returns the newest of all replicas */
  async #timeEpochs(name: string, from: number): Promise<number> {
    const { clock } = this.#parts
    const last = from + QUIET_EPOCHS
    await this.#until(async () => clock.epoch >= last, `the map of epoch ${last}`)
    this.#tellEpochs(
      name,
      clock.epochs.filter((epoch) => epoch > from && epoch <= last),
      { most: 30 },
    )
    return clock.epoch
  }

  #tellEpochs(name: string, epochs: readonly number[], limit: Pick<Figure, 'most'> = {}): void {
    const { clock } = this.#parts
    const seconds = epochs.flatMap((epoch) => {
      const at = clock.everywhereAt(epoch)
      return at === undefined ? [] : [at / 1000 - epoch * this.#options.epochSeconds]
    })
    this.#tell(`${name}_epochs`, seconds.length, 'epochs')
    this.#tell(`${name}_s`, median(seconds), 's')
    this.#tell(`${name}_longest_s`, Math.max(...seconds), 's', limit)
  }

  /** Some hubs say farewell, and as many come. */
  async #churn(hubs: readonly CrowdHub[], before: HubMap): Promise<HubMap> {
    const { crowd } = this.#parts
    const count = Math.max(1, Math.round(hubs.length * CHURN))
    const leaving = hubs.slice(0, hubs.length).filter(({ n }) => n % Math.floor(hubs.length / count) === 1)
    const gone = new Set(leaving.slice(0, count).map(({ key }) => toHex(key.publicBytes)))
    const coming = crowd.grow(count)
    const come = new Set(coming.map(({ key }) => toHex(key.publicBytes)))
    await this.#announce(leaving.slice(0, count), (hub) => crowd.signedFarewell(hub))
    for (const hub of leaving.slice(0, count)) crowd.leave(hub)
    await this.#announce(coming, (hub) => crowd.signed(hub))
    const { map, bytes } = await this.#mapWith(
      (found) => [...come].every((key) => found.has(key)) && ![...gone].some((key) => found.has(key)),
    )
    const diff = await this.#get(`/v1/diffs/${toHex(before.hash)}/${toHex(map.hash)}`)
    this.#tell('scale.map_bytes', bytes.length, 'bytes')
    this.#tell('scale.map_bytes_per_hub', bytes.length / map.content.hubs.length, 'bytes')
    this.#tell('scale.churned', count, 'hubs')
    this.#tell('scale.diff_bytes', diff.length, 'bytes')
    this.#tell('scale.diff_share_pct', (100 * diff.length) / bytes.length, '%', { most: 5 })
    return map
  }

  async #requests(before: HubMap, after: HubMap): Promise<void> {
    const { requestSeconds: seconds } = this.#options
    const path = `/v1/diffs/${toHex(before.hash)}/${toHex(after.hash)}`
    for (const [i, replica] of this.#parts.directory.replicas.entries()) {
      const tell = (name: string, { perSecond, others }: { perSecond: number; others: number }): void => {
        this.#tell(`scale.replica${i}_${name}_per_s`, perSecond, '1/s', { least: 2000 })
        this.#tell(`scale.replica${i}_${name}_refused`, others, 'answers')
      }
      // The tag of the map that is the newest now: another one may come meanwhile, and counts as refused.
      const tag = (await fetch(`${replica.url}/v1/map`, { method: 'HEAD' })).headers.get('etag') ?? ''
      tell('not_modified', await askOften(doorOf(replica), '/v1/map', { 'if-none-match': tag }, 304, seconds))
      tell('diffs', await askOften(doorOf(replica), path, {}, 200, seconds))
    }
  }

  /** What a program takes that has nothing, and gets this map with its keys. */
  async #loads({ bytes, content: { bundleHashes, epoch } }: HubMap): Promise<void> {
    const { folder, directory } = this.#parts
    const hashes = Array.from({ length: KEY_BUNDLES }, (_, n) => toHex(bundleHash(bundleHashes, n)))
    const keys: Uint8Array[] = []
    for (const hash of hashes) keys.push(await this.#get(`/v1/keys/${hash}`))
    const files = [join(folder, 'map'), join(folder, 'keys')] as const
    writeFileSync(files[0], bytes)
    writeFileSync(files[1], concatBytes(...keys))
    const script = new URL('../bench/map-load.ts', import.meta.url).pathname
    const words = [...files, String(epoch * this.#options.epochSeconds * 1000), directory.networkFile]
    const taken = Array.from({ length: LOADS }, () => JSON.parse(runAsClient(script, words))) as Record<
      'verifyMs' | 'keysMs' | 'beforeMib' | 'peakMib',
      number
    >[]
    const seconds = median(taken.map(({ verifyMs, keysMs }) => (verifyMs + keysMs) / 1000))
    this.#tell(
      'scale.keys_bytes',
      keys.reduce((sum, { length }) => sum + length, 0),
      'bytes',
    )
    this.#tell('scale.client_load_s', seconds, 's', { most: 1.5 })
    this.#tell('scale.client_peak_mib', median(taken.map(({ peakMib }) => peakMib)), 'MiB', { most: 200 })
  }

  #announce(hubs: readonly CrowdHub[], signed: (hub: CrowdHub) => Uint8Array): Promise<Answers> {
    const doors = this.#parts.directory.replicas.map(doorOf)
    return announceAll(hubs, signed, doors, this.#options.arrivals)
  }

  /** The first map from now on whose hubs, by their keys, are as wanted. */
  async #mapWith(isRight: (keys: ReadonlySet<string>) => boolean): Promise<{ map: HubMap; bytes: Uint8Array }> {
    let looked = 0
    let found: HubMap | undefined
    await this.#until(async () => {
      const { clock } = this.#parts
      if (clock.epoch === looked) return false
      looked = clock.epoch
      const map = await this.#map(looked)
      process.stderr.write(`epoch ${looked}: ${map.content.hubs.length} hubs, ${this.#parts.crowd.links} links\n`)
      if (isRight(new Set(map.content.hubs.map(({ key }) => key)))) found = map
      return found !== undefined
    }, 'a map with all hubs')
    const map = found as HubMap
    return { map, bytes: map.bytes }
  }

  async #map(epoch: number): Promise<HubMap> {
    const { clock, directory } = this.#parts
    const bytes = await this.#get(`/v1/maps/${clock.hashOf(epoch)}`)
    return new UnverifiedMap(bytes).verify(directory.network, epoch * this.#options.epochSeconds * 1000)
  }

  async #get(path: string): Promise<Uint8Array> {
    const answer = await fetch(`${this.#parts.directory.replicas[0]?.url}${path}`)
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`)
    return new Uint8Array(await answer.arrayBuffer())
  }

  #until(look: () => Promise<boolean>, what: string): Promise<void> {
    return eventually(look, what, this.#options.timeoutSeconds * 1000)
  }

  #tellAnswers(answers: Answers): void {
    for (const [answer, count] of answers) this.#tell(`scale.answered_${answer}`, count, 'answers')
  }

  #tell(name: string, value: number, unit: string, limit: Pick<Figure, 'most' | 'least'> = {}): void {
    this.#told({ name, value: Number(value.toPrecision(6)), unit, ...limit })
  }
}

function doorOf({ url }: { readonly url: string }): { port: number } {
  return { port: Number(new URL(url).port) }
}

function memoryMib(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return (Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) * 1024) / MIB
}
