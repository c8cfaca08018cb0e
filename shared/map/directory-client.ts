import { z } from 'zod'
import { parseHex, toHex } from '../base/bytes.ts'
import type { MonotonicClock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { Random } from '../base/random.ts'
import { shuffle } from '../base/random.ts'
import type { HttpRequest, HttpSend } from './http-send.ts'
import { type DocumentReader, downloadKeys, downloadMap } from './map-download.ts'
import type { Network, NetworkDirectory } from './network.ts'
import { type HubMap, UnverifiedMap } from './signed-map.ts'
import { TIME_NONCE_BYTES, verifyTime } from './signed-time.ts'

const MAX_SMALL_ANSWER_BYTES = 16 * 1024
const REQUEST_TIMEOUT_MS = 20_000

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
    const verify = (bytes: Uint8Array): HubMap => new UnverifiedMap(bytes).verify(this.#network, networkMs, held)
    return this.#askAll((directory) => downloadMap(reader(directory, send, signal), verify, held))
  }

  /**
   * The map with its circuit keys, of which those are asked for that are others than in the map held.
   * @throws Fault directory-unreachable, keys-damaged
   */
  async fetchKeys(send: HttpSend, map: HubMap, held: HubMap | undefined, signal: AbortSignal): Promise<HubMap> {
    return downloadKeys((ask) => this.#askAll((directory) => ask(reader(directory, send, signal))), map, held)
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

const errorAnswer = z.object({ fault: z.string().regex(/^[a-z-]{1,40}$/) })

/** The code of the fault that a directory names; what else it writes is not repeated. */
function reasonOf(body: Uint8Array): string {
  try {
    return errorAnswer.parse(JSON.parse(Buffer.from(body).toString('utf8'))).fault
  } catch {
    return 'not said'
  }
}

/** Reads documents of one directory. */
function reader({ name, url }: NetworkDirectory, send: HttpSend, signal: AbortSignal): DocumentReader {
  return async (path, maxBytes) => {
    const request: HttpRequest = {
      method: 'GET',
      url: url + path,
      maxBytes: Math.max(maxBytes, MAX_SMALL_ANSWER_BYTES),
    }
    const { status, body } = await send(request, bounded(signal))
    if (status !== 200) throw new Fault('directory-unreachable', { directory: name, status })
    return body
  }
}

function bounded(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)])
}

function unreachable(answers: readonly PromiseSettledResult<unknown>[]): Fault {
  const failed = answers.find((answer) => answer.status === 'rejected')
  return new Fault('directory-unreachable', { asked: answers.length }, failed?.reason)
}
