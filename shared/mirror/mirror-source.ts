import type { MonotonicClock } from '../base/clock.ts'
import { Fault } from '../base/fault.ts'
import { type After, firstWay, type Way } from '../base/first-way.ts'
import type { Random } from '../base/random.ts'
import { shuffle } from '../base/random.ts'
import { downloadKeys, downloadMap, isHeld, type MapReader } from '../map/map-download.ts'
import type { KnownTime, MapSource } from '../map/map-source.ts'
import type { Network } from '../map/network.ts'
import { type HubMap, UnverifiedMap } from '../map/signed-map.ts'
import type { SignedTime } from '../map/signed-time.ts'
import { timeOfDirectories } from '../map/time-vote.ts'
import type { Mirror } from './mirror.ts'

/** For the answer of one mirror about its newest map, or about the time of one directory. */
const SHORT_ANSWER_MS = 4_000
/** After so long without a piece of a document, or with however many, the next mirror is asked beside the first. */
const DOCUMENT_IDLE_MS = 4_000
const DOCUMENT_MOST_MS = 20_000
/** A mirror that has not brought a document by then does not any more. */
const DOCUMENT_LIMIT_MS = 300_000

export interface MirrorSourceParts {
  readonly network: Network
  readonly clock: MonotonicClock
  readonly random: Random
  readonly after: After
}

/** Some mirrors as one source of maps: each may be old, slow or a liar, as long as one of them is not. */
export class MirrorSource implements MapSource {
  readonly #parts: MirrorSourceParts
  /** Those that did best come first. */
  #mirrors: readonly Mirror[]

  constructor(mirrors: readonly Mirror[], parts: MirrorSourceParts) {
    this.#parts = parts
    this.#mirrors = mirrors
  }

  fetchTime(signal: AbortSignal): Promise<KnownTime> {
    const { network, random } = this.#parts
    const ask = async (mirrors: readonly Mirror[], directory: Uint8Array, nonce: Uint8Array): Promise<SignedTime> => {
      const [first, ...others] = mirrors
      if (first === undefined) throw new Fault('directory-unreachable')
      return limited(first.time(directory, nonce), this.#parts.after).catch(() => ask(others, directory, nonce))
    }
    return timeOfDirectories(
      network,
      this.#parts,
      ({ key }, nonce) => ask(shuffle(this.#mirrors, random), key.bytes, nonce),
      signal,
    )
  }

  /**
   * The newest that any of them can show: whoever holds an old one back is outdone by one that does not. That there is none is
   * believed only if nobody names a newer one, or nobody who does can show it.
   */
  async fetchMap(networkMs: number, held: HubMap | undefined, signal: AbortSignal): Promise<HubMap | undefined> {
    const heads = await Promise.all(
      this.#mirrors.map(async (mirror) => {
        const head = await limited(mirror.head(), this.#parts.after).catch(() => undefined)
        return head === undefined ? [] : [{ mirror, head }]
      }),
    )
    const newestFirst = heads.flat().sort((a, b) => b.head.epoch - a.head.epoch)
    if (newestFirst.length === 0) throw new Fault('directory-unreachable', { mirrors: this.#mirrors.length })
    this.#mirrors = newestFirst.map(({ mirror }) => mirror)
    const newer = newestFirst.filter(({ head }) => held === undefined || head.epoch > held.content.epoch)
    const verify = (bytes: Uint8Array): HubMap => new UnverifiedMap(bytes).verify(this.#parts.network, networkMs, held)
    const ways = (newer.length > 0 ? newer : newestFirst).map(({ mirror, head }) =>
      this.#way(mirror, (reader) => downloadMap({ ...reader, head: () => Promise.resolve(head) }, verify, held)),
    )
    return firstWay(ways, this.#patience, signal).catch((error) => {
      if (!signal.aborted && newestFirst.some(({ head }) => isHeld(head, held))) return undefined
      throw error
    })
  }

  fetchKeys(map: HubMap, held: HubMap | undefined, signal: AbortSignal): Promise<HubMap> {
    const askAll = <T>(ask: (reader: MapReader) => Promise<T>): Promise<T> => {
      const ways = this.#mirrors.map((mirror) => this.#way(mirror, ask))
      return firstWay(ways, this.#patience, signal)
    }
    return downloadKeys(askAll, map, held)
  }

  /** One that brings something comes first with the next document; one that brings bytes for ever is given up. */
  #way<T>(mirror: Mirror, ask: (reader: MapReader) => Promise<T>): Way<T> {
    return async (signal, progress) => {
      const late = new AbortController()
      const stop = this.#parts.after(DOCUMENT_LIMIT_MS, () => late.abort())
      try {
        const found = await ask(mirror.within(AbortSignal.any([signal, late.signal]), progress))
        this.#prefer(mirror)
        return found
      } finally {
        stop()
      }
    }
  }

  #prefer(mirror: Mirror): void {
    if (this.#mirrors[0] !== mirror) this.#mirrors = [mirror, ...this.#mirrors.filter((other) => other !== mirror)]
  }

  get #patience(): Parameters<typeof firstWay>[1] {
    const { after } = this.#parts
    return { idleMs: DOCUMENT_IDLE_MS, stalledMs: DOCUMENT_IDLE_MS, mostMs: DOCUMENT_MOST_MS, after }
  }
}

/** @throws Fault directory-unreachable if there is none in time */
export function limited<T>(answer: Promise<T>, after: After): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = after(SHORT_ANSWER_MS, () => reject(new Fault('directory-unreachable', { late: true })))
    answer.then(resolve, reject).finally(stop)
  })
}
