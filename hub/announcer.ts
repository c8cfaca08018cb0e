import type { MonotonicClock } from '../shared/base/clock.ts'
import { faultFields, type Log } from '../shared/base/log.ts'
import type { NetworkTime } from '../shared/base/network-time.ts'
import type { HubKey } from '../shared/crypto/hub-key.ts'
import { type Descriptor, signDescriptor } from '../shared/map/descriptor.ts'

/** A descriptor is valid for so long, and is sent anew after a third of it. */
export const DESCRIPTOR_LIFE_S = 3 * 3600
const REPEAT_MS = (DESCRIPTOR_LIFE_S / 3) * 1000
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 60_000

/** What a hub says of itself, without what the announcer adds. */
export type SelfDescription = Omit<Descriptor, 'hubId' | 'sequence' | 'published' | 'expires'>

export interface AnnouncerParts {
  readonly key: HubKey
  readonly networkId: Uint8Array
  readonly time: NetworkTime
  readonly clock: MonotonicClock
  readonly log: Log
  /** What the hub says of itself now. */
  readonly describe: () => SelfDescription
  readonly publish: (signed: Uint8Array, signal: AbortSignal) => Promise<string[]>
  readonly loadSequence: () => number
  readonly saveSequence: (sequence: number) => void
}

/** Tells the directories what this hub is: at start, when something changed, and before the last word expires. */
export class Announcer {
  readonly #parts: AnnouncerParts
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #retryMs = FIRST_RETRY_MS
  #turn = 0
  #sequence: number | undefined

  constructor(parts: AnnouncerParts) {
    this.#parts = parts
  }

  /** Says it now, and again and again until closed. */
  announce(): void {
    if (this.#closing.signal.aborted) return
    clearTimeout(this.#timer)
    this.#retryMs = FIRST_RETRY_MS
    void this.#run(++this.#turn)
  }

  /** Says it once, for a hub that is about to stop; gives up after `timeoutMs`. */
  async announceOnce(timeoutMs: number): Promise<void> {
    clearTimeout(this.#timer)
    this.#turn++
    await this.#publish(AbortSignal.timeout(timeoutMs)).catch(() => {})
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#closing.abort()
  }

  /** @param turn goes on only as long as nothing newer was announced meanwhile */
  async #run(turn: number): Promise<void> {
    const { log } = this.#parts
    try {
      const directories = await this.#publish(this.#closing.signal)
      log.info('descriptor published', { directories: directories.length })
      this.#again(turn, REPEAT_MS)
    } catch (error) {
      if (this.#closing.signal.aborted) return
      log.warn('descriptor not published', faultFields(error))
      this.#again(turn, this.#retryMs)
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS)
    }
  }

  #again(turn: number, ms: number): void {
    if (turn !== this.#turn || this.#closing.signal.aborted) return
    this.#timer = setTimeout(() => void this.#run(turn), ms)
  }

  async #publish(signal: AbortSignal): Promise<string[]> {
    const { key, networkId, time, clock, describe, publish } = this.#parts
    const published = Math.floor(time.at(clock.now()) / 1000)
    const sequence = this.#nextSequence(published)
    const descriptor: Descriptor = {
      ...describe(),
      hubId: key.publicBytes,
      sequence,
      published,
      expires: published + DESCRIPTOR_LIFE_S,
    }
    return publish(signDescriptor(descriptor, key, networkId), signal)
  }

  /** Always larger than any before, also if the file was lost: then the time in seconds is. */
  #nextSequence(publishedS: number): number {
    this.#sequence ??= this.#parts.loadSequence()
    this.#sequence = Math.max(this.#sequence + 1, publishedS)
    this.#keepSequence(this.#sequence)
    return this.#sequence
  }

  /** A full disk must not silence a hub: after its next start the time in seconds is a larger number anyway. */
  #keepSequence(sequence: number): void {
    try {
      this.#parts.saveSequence(sequence)
    } catch (error) {
      this.#parts.log.error('sequence number not kept on disk', faultFields(error))
    }
  }
}
