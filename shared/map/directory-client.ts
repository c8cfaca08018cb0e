import { z } from 'zod'
import { equalBytes, parseHex, toHex } from '../base/bytes.ts'
import type { MonotonicClock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { Random } from '../base/random.ts'
import { shuffle } from '../base/random.ts'
import { sha256 } from '../crypto/kdf.ts'
import { bundleHash, bundleSizes } from './key-bundles.ts'
import type { Network, NetworkDirectory } from './network.ts'
import { type HubMap, MAX_MAP_BYTES, UnverifiedMap } from './signed-map.ts'
import { TIME_NONCE_BYTES, verifyTime } from './signed-time.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** A longer answer is cut off with Fault document-too-large. */
  readonly maxBytes: number
}

export interface HttpAnswer {
  readonly status: number
  readonly etag: string | undefined
  readonly body: Uint8Array
}

/** How requests travel: directly, or through a circuit. */
export type HttpSend = (request: HttpRequest, signal: AbortSignal) => Promise<HttpAnswer>

const MAX_SMALL_ANSWER_BYTES = 16 * 1024
const REQUEST_TIMEOUT_MS = 20_000
/** Bundles of keys that are asked for at the same time, each perhaps through a circuit of its own. */
const BUNDLES_AT_ONCE = 8
const NO_KEYS = new Uint8Array(0)

const timeAnswer = z.object({ timeMs: z.number(), signature: z.string() })

/** Talks to the directories of a network (SPEC section 11.6). Believes nothing that is not signed. */
export class DirectoryClient {
  readonly #network: Network
  readonly #clock: MonotonicClock
  readonly #random: Random

  constructor(network: Network, parts: { clock: MonotonicClock; random: Random }) {
    this.#network = network
    this.#clock = parts.clock
    this.#random = parts.random
  }

  /**
   * The time, as the median of what the directories say; at least as many must answer as must sign a map.
   * @returns network time (Unix ms) and the monotonic time at which it was that
   * @throws Fault directory-unreachable
   */
  async fetchTime(send: HttpSend, signal: AbortSignal): Promise<{ networkMs: number; at: number }> {
    const answers = await Promise.allSettled(this.#network.directories.map((one) => this.#askTime(one, send, signal)))
    const offsets = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    if (offsets.length < this.#network.threshold) throw unreachable(answers)
    offsets.sort((a, b) => a - b)
    const at = this.#clock.now()
    return { networkMs: at + (offsets[Math.floor((offsets.length - 1) / 2)] as number), at }
  }

  /**
   * The newest map, checked; undefined if it is the one already held.
   * @throws Fault directory-unreachable, and those of `UnverifiedMap.verify`
   */
  async fetchMap(
    send: HttpSend,
    networkMs: number,
    held: HubMap | undefined,
    signal: AbortSignal,
  ): Promise<HubMap | undefined> {
    return this.#askAll((directory) => this.#askMap(directory, send, networkMs, held, signal))
  }

  /**
   * The map with its circuit keys, of which those are asked for that are others than in the map held.
   * @throws Fault directory-unreachable, keys-damaged
   */
  async fetchKeys(send: HttpSend, map: HubMap, held: HubMap | undefined, signal: AbortSignal): Promise<HubMap> {
    const wanted = bundlesOf(map)
    const bundles = wanted.map(({ hash, bytes }, n) => (bytes === 0 ? NO_KEYS : heldBundle(held, n, hash)))
    const queue = wanted.entries() // each taken once, whoever takes it
    const failed = new AbortController()
    const fetchNext = async (): Promise<void> => {
      for (const [n, bundle] of queue) {
        const ask = (directory: NetworkDirectory): Promise<Uint8Array> =>
          this.#askBundle(directory, send, bundle, AbortSignal.any([signal, failed.signal]))
        bundles[n] ??= await this.#askAll(ask)
      }
    }
    try {
      await Promise.all(Array.from({ length: BUNDLES_AT_ONCE }, fetchNext))
    } finally {
      failed.abort()
    }
    return map.withKeys(bundles.map((bundle) => bundle ?? NO_KEYS))
  }

  /**
   * Hands a signed descriptor to all directories.
   * @returns the names of those that took it
   * @throws Fault directory-unreachable, directory-refused if none took it
   */
  async publish(send: HttpSend, signed: Uint8Array, signal: AbortSignal): Promise<string[]> {
    const answers = await Promise.allSettled(
      this.#network.directories.map((one) => this.#give(one, send, signed, signal)),
    )
    const taken = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
    if (taken.length > 0) return taken
    const refusal = answers.find(
      (answer) => answer.status === 'rejected' && isFault(answer.reason, 'directory-refused'),
    )
    if (refusal?.status === 'rejected') throw refusal.reason
    throw unreachable(answers)
  }

  /** The first answer that is one, of directories in random order. @throws Fault directory-unreachable, and those of `ask` */
  async #askAll<T>(ask: (directory: NetworkDirectory) => Promise<T>): Promise<T> {
    let failure: unknown
    for (const directory of shuffle(this.#network.directories, this.#random)) {
      try {
        return await ask(directory)
      } catch (error) {
        failure = error
      }
    }
    throw isFault(failure) ? failure : new Fault('directory-unreachable', {}, failure)
  }

  async #askBundle(
    directory: NetworkDirectory,
    send: HttpSend,
    { hash, bytes }: WantedBundle,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const url = `${directory.url}/v1/keys/${toHex(hash)}`
    const answer = await send(
      { method: 'GET', url, maxBytes: Math.max(bytes, MAX_SMALL_ANSWER_BYTES) },
      bounded(signal),
    )
    if (answer.status !== 200)
      throw new Fault('directory-unreachable', { directory: directory.name, status: answer.status })
    if (!equalBytes(sha256(answer.body), hash)) throw new Fault('keys-damaged', { directory: directory.name })
    return answer.body
  }

  /** How far the directory's clock is ahead of our monotonic one, ms. */
  async #askTime(directory: NetworkDirectory, send: HttpSend, signal: AbortSignal): Promise<number> {
    const nonce = this.#random.bytes(TIME_NONCE_BYTES)
    const url = `${directory.url}/v1/time?nonce=${toHex(nonce)}`
    const before = this.#clock.now()
    const answer = await send({ method: 'GET', url, maxBytes: MAX_SMALL_ANSWER_BYTES }, bounded(signal))
    const middle = (before + this.#clock.now()) / 2
    const { timeMs, signature } = timeAnswer.parse(JSON.parse(Buffer.from(answer.body).toString('utf8')))
    const signed = { timeMs, signature: parseHex(signature) ?? new Uint8Array(0) }
    if (!verifyTime(signed, nonce, directory.key, this.#network.id)) throw new Fault('signature-invalid')
    return timeMs - middle
  }

  async #askMap(
    directory: NetworkDirectory,
    send: HttpSend,
    networkMs: number,
    held: HubMap | undefined,
    signal: AbortSignal,
  ): Promise<HubMap | undefined> {
    const headers = held === undefined ? {} : { 'if-none-match': etagOf(held) }
    const answer = await send(
      { method: 'GET', url: `${directory.url}/v1/map`, headers, maxBytes: MAX_MAP_BYTES },
      bounded(signal),
    )
    if (answer.status === 304 && held !== undefined) return undefined
    if (answer.status !== 200)
      throw new Fault('directory-unreachable', { directory: directory.name, status: answer.status })
    const map = new UnverifiedMap(answer.body).verify(this.#network, networkMs, held)
    return held !== undefined && equalBytes(map.hash, held.hash) ? undefined : map
  }

  async #give(directory: NetworkDirectory, send: HttpSend, signed: Uint8Array, signal: AbortSignal): Promise<string> {
    const answer = await send(
      {
        method: 'POST',
        url: `${directory.url}/v1/descriptors`,
        headers: { 'content-type': 'application/octet-stream' },
        body: signed,
        maxBytes: MAX_SMALL_ANSWER_BYTES,
      },
      bounded(signal),
    )
    if (answer.status >= 200 && answer.status < 300) return directory.name
    throw new Fault('directory-refused', {
      directory: directory.name,
      status: answer.status,
      reason: reasonOf(answer.body),
    })
  }
}

interface WantedBundle {
  readonly hash: Uint8Array
  readonly bytes: number
}

function bundlesOf({ content: { hubs, bundleHashes } }: HubMap): WantedBundle[] {
  return bundleSizes(hubs).map((bytes, n) => ({ hash: bundleHash(bundleHashes, n), bytes }))
}

function heldBundle(held: HubMap | undefined, n: number, hash: Uint8Array): Uint8Array | undefined {
  if (held === undefined || !equalBytes(bundleHash(held.content.bundleHashes, n), hash)) return undefined
  return held.keys?.bundles[n]
}

/** The entity tag of a map is the hash of its body. */
export function etagOf(map: HubMap): string {
  return `"${toHex(map.hash)}"`
}

const errorAnswer = z.object({ fault: z.string().regex(/^[a-z-]{1,40}$/) })

/** The code of the fault that a directory names; what else it writes is not repeated. */
function reasonOf(body: Uint8Array): string {
  try {
    return errorAnswer.parse(JSON.parse(Buffer.from(body).toString('utf8'))).fault
  } catch {
    return 'not said'
  }
}

function bounded(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)])
}

function unreachable(answers: readonly PromiseSettledResult<unknown>[]): Fault {
  const failed = answers.find((answer) => answer.status === 'rejected')
  return new Fault('directory-unreachable', { asked: answers.length }, failed?.reason)
}
