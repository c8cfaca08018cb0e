import { join } from 'node:path'
import { NOTE_KINDS, type Note, type NoteHead } from '../../directory/consensus/note.ts'
import { type AgreedMap, Round } from '../../directory/consensus/round.ts'
import { scheduleAt } from '../../directory/consensus/schedule.ts'
import type { Vote } from '../../directory/consensus/vote.ts'
import { toHex } from '../../shared/base/bytes.ts'
import { isFault } from '../../shared/base/fault.ts'
import type { Random } from '../../shared/base/random.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import type { Network } from '../../shared/map/network.ts'
import { roundPartsOf, voteOf } from './directory-votes.ts'
import { EPOCH, EPOCH_S } from './map-fixtures.ts'

/** What the network does to notes on their way, and directories to each other. */
export interface RoundWeather {
  /** Of a thousand notes so many are lost, and so many come twice. */
  readonly lost: number
  readonly doubled: number
  /** A note is on its way for up to so many ticks. */
  readonly delayTicks: number
  /** Of each directory: how far its clock is ahead, ticks. */
  readonly skewTicks: (index: number) => number
  readonly isDown: (index: number, tick: number) => boolean
  readonly isCut: (from: number, to: number, tick: number) => boolean
  /** Has another face: says other things to directories of odd number. */
  readonly hasTwoFaces: (index: number) => boolean
  /** Starts anew at this tick, with nothing but its file. */
  readonly restartsAt: (index: number) => number | undefined
  readonly vote: (index: number, face: number) => Vote | undefined
}

export const GOOD_WEATHER: RoundWeather = {
  ...{ lost: 0, doubled: 0, delayTicks: 1, skewTicks: () => 0, isDown: () => false, isCut: () => false },
  ...{ hasTwoFaces: () => false, restartsAt: () => undefined, vote: () => voteOf() },
}

/** A hundred make an epoch: the round of an epoch begins half an epoch before it, and ends half an epoch behind. */
const TICK_MS = (EPOCH_S * 1000) / 100
const TICKS = 99

interface Flight {
  readonly at: number
  readonly to: number
  readonly note: Note
}

/** Directories that decide on the map of one epoch, over a network of which chance is seeded. */
export class RoundNetwork {
  readonly maps = new Map<number, AgreedMap>()
  readonly proofs: [NoteHead, NoteHead][] = []
  readonly #network: Network
  readonly #keys: readonly DirectoryKey[]
  readonly #folder: string
  readonly #weather: RoundWeather
  readonly #random: Random
  readonly #flights: Flight[] = []
  /** Rounds of each directory; who has two faces has two. */
  readonly rounds: Round[][]

  constructor(
    { network, keys }: { network: Network; keys: readonly DirectoryKey[] },
    folder: string,
    weather: Partial<RoundWeather>,
    random: Random,
  ) {
    this.#network = network
    this.#keys = keys
    this.#folder = folder
    this.#weather = { ...GOOD_WEATHER, ...weather }
    this.#random = random
    this.rounds = keys.map((_, i) => this.#open(i))
  }

  run(): this {
    for (let tick = 0; tick < TICKS; tick++) {
      this.#deliver(tick)
      for (const i of this.#keys.keys()) this.#tick(i, tick)
    }
    return this
  }

  /** Hashes of all valid maps that any directory could put together. */
  get hashes(): string[] {
    return [...new Set([...this.maps.values()].map(({ hash }) => toHex(hash)))]
  }

  #open(index: number): Round[] {
    const faces = this.#weather.hasTwoFaces(index) ? [0, 1] : [0]
    return faces.map((face) => {
      const file = join(this.#folder, `signed-${index}-${face}`)
      const vote = (): Vote | undefined => this.#weather.vote(index, face)
      const onProof = (first: NoteHead, second: NoteHead): void => void this.proofs.push([first, second])
      return new Round(roundPartsOf(this.#network, this.#keys[index] as DirectoryKey, file, vote, { onProof }))
    })
  }

  #tick(index: number, tick: number): void {
    if (this.#weather.restartsAt(index) === tick) this.rounds[index] = this.#open(index)
    if (this.#weather.isDown(index, tick)) return
    const now = (EPOCH * 100 - 50 + tick + this.#weather.skewTicks(index)) * TICK_MS
    const { epoch, phase } = scheduleAt(now, EPOCH_S)
    for (const round of this.rounds[index] ?? []) {
      if (epoch !== EPOCH) continue
      round.advance(phase)
      const map = round.agreed()
      if (map !== undefined) this.maps.set(index, map)
    }
    for (const peer of this.#keys.keys()) if (peer !== index) this.#exchange(index, peer, tick)
  }

  /** Hands over the own notes, and asks for those that are missing. */
  #exchange(from: number, to: number, tick: number): void {
    const mine = this.#faceFor(from, to)
    const theirs = this.#faceFor(to, from)
    const signer = toHex((this.#keys[from] as DirectoryKey).publicBytes)
    for (const kind of NOTE_KINDS) {
      const note = mine.find(kind, signer)
      if (note !== undefined && theirs.find(kind, signer) === undefined) this.#send(from, to, note, tick)
    }
    for (const { kind, signer: of } of mine.missing()) {
      const note = this.#weather.isDown(to, tick) ? undefined : theirs.find(kind, of)
      if (note !== undefined) this.#send(to, from, note, tick)
    }
  }

  #send(from: number, to: number, note: Note, tick: number): void {
    const { lost, doubled, delayTicks, isCut } = this.#weather
    if (isCut(from, to, tick)) return
    for (let copies = this.#random.below(1000) < doubled ? 2 : 1; copies > 0; copies--) {
      if (this.#random.below(1000) < lost) continue
      this.#flights.push({ at: tick + 1 + this.#random.below(delayTicks), to, note })
    }
  }

  #deliver(tick: number): void {
    const due = this.#flights.filter(({ at }) => at <= tick)
    for (const flight of due) this.#flights.splice(this.#flights.indexOf(flight), 1)
    for (const { to, note } of due) {
      if (this.#weather.isDown(to, tick)) continue
      for (const round of this.rounds[to] ?? []) {
        try {
          round.take(note)
        } catch (error) {
          if (!isFault(error)) throw error
        }
      }
    }
  }

  #faceFor(index: number, peer: number): Round {
    const faces = this.rounds[index] as Round[]
    return faces[peer % faces.length] as Round
  }
}
