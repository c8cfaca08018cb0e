import { z } from 'zod'
import { parseHex, toHex } from '../base/bytes.ts'
import type { MonotonicClock } from '../base/clock.ts'
import { Fault, isFault } from '../base/fault.ts'
import type { Random } from '../base/random.ts'
import { shuffle } from '../base/random.ts'
import { httpReader } from './http-reader.ts'
import type { HttpRequest, HttpSend } from './http-send.ts'
import { downloadKeys, downloadMap, type MapReader } from './map-download.ts'
import type { KnownTime, MapSource } from './map-source.ts'
import type { Network, NetworkDirectory } from './network.ts'
import { type HubMap, UnverifiedMap } from './signed-map.ts'
import type { SignedTime } from './signed-time.ts'
import { timeOfDirectories, unreachable } from './time-vote.ts'

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

  /** All of them as a source of maps, asked by one way. */
  by(send: HttpSend): MapSource {
    return {
      fetchTime: (signal) => this.fetchTime(send, signal),
      fetchMap: (networkMs, held, signal) => this.fetchMap(send, networkMs, held, signal),
      fetchKeys: (map, held, signal) => this.fetchKeys(send, map, held, signal),
    }
  }

  /** Readers of all directories, in random order. */
  readers(send: HttpSend, signal: AbortSignal): MapReader[] {
    return shuffle(this.#network.directories, this.#random).map((directory) => reader(directory, send, signal))
  }

  /** @throws Fault directory-unreachable */
  async fetchTime(send: HttpSend, signal: AbortSignal): Promise<KnownTime> {
    const parts = { clock: this.#clock, random: this.#random }
    return timeOfDirectories(
      this.#network,
      parts,
      (directory, nonce) => askTime(directory, nonce, send, signal),
      signal,
    )
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

/** The time of one directory, for one nonce. Not checked. @throws anything if it does not answer */
export async function askTime(
  directory: NetworkDirectory,
  nonce: Uint8Array,
  send: HttpSend,
  signal: AbortSignal,
): Promise<SignedTime> {
  const url = `${directory.url}/v1/time?nonce=${toHex(nonce)}`
  const answer = await send({ method: 'GET', url, maxBytes: MAX_SMALL_ANSWER_BYTES }, bounded(signal))
  const { timeMs, signature } = timeAnswer.parse(JSON.parse(Buffer.from(answer.body).toString('utf8')))
  return { timeMs, signature: parseHex(signature) ?? new Uint8Array(0) }
}

function reader({ name, url }: NetworkDirectory, send: HttpSend, signal: AbortSignal): MapReader {
  return httpReader(async (path, maxBytes) => {
    const request: HttpRequest = {
      method: 'GET',
      url: url + path,
      maxBytes: Math.max(maxBytes, MAX_SMALL_ANSWER_BYTES),
    }
    const { status, body } = await send(request, bounded(signal))
    if (status !== 200) throw new Fault('directory-unreachable', { directory: name, status })
    return body
  })
}

function bounded(signal: AbortSignal): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)])
}
