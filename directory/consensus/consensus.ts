import { equalBytes, toHex } from '../../shared/base/bytes.ts'
import type { MonotonicClock } from '../../shared/base/clock.ts'
import { Fault } from '../../shared/base/fault.ts'
import { faultFields, type Log } from '../../shared/base/log.ts'
import type { Random } from '../../shared/base/random.ts'
import type { DirectoryKey } from '../../shared/crypto/directory-key.ts'
import { DirectoryClient } from '../../shared/map/directory-client.ts'
import type { HttpSend } from '../../shared/map/http-send.ts'
import type { MapContent } from '../../shared/map/hub-map.ts'
import type { Network } from '../../shared/map/network.ts'
import { signMapBody } from '../../shared/map/signed-map.ts'
import { Decisions } from './decisions.ts'
import { Exchange } from './exchange.ts'
import { type Note, type NoteHead, type NoteKind, signNote, verifyBody, verifyHead } from './note.ts'
import { Round } from './round.ts'
import { scheduleAt } from './schedule.ts'
import type { SignedEpochs } from './signed-epochs.ts'
import { encodeVote, type MapName, type Vote } from './vote.ts'

/** What can be handed out. */
export interface PublishedMap {
  readonly content: MapContent
  readonly hash: Uint8Array
  readonly signed: Uint8Array
  /** The circuit keys of its hubs. */
  readonly bundles: readonly Uint8Array[]
}

export interface ConsensusParts {
  readonly network: Network
  readonly key: DirectoryKey
  readonly epochSeconds: number
  readonly signed: SignedEpochs
  /** Of a directory of several replicas: decides once for all of them what is said. */
  readonly freeze?: Freeze | undefined
  readonly send: HttpSend
  readonly clock: MonotonicClock
  readonly random: Random
  readonly log: Log
  /** What this directory thinks of the hubs now; undefined as long as it knows none and there is no map. */
  readonly vote: () => Promise<Vote | undefined>
  /** The newest map that is held. */
  readonly latest: () => MapName | undefined
  /** A map with enough signatures, in its epoch or later. */
  readonly publish: (map: PublishedMap) => Promise<void>
  /** Keeps for ever that a directory said two things. */
  readonly keepProof: (first: NoteHead, second: NoteHead) => void
}

/** Gives what was decided first; undefined if nothing is. */
export type Freeze = (kind: NoteKind, epoch: number, said: Uint8Array) => Promise<Uint8Array | undefined>

/** What the outside may know of how directories get on with each other. */
export interface ConsensusHealth {
  readonly deciding: number
  readonly votes: number
  readonly echoes: number
  readonly chosen: number
  readonly signatures: number
  readonly disagreeing: number
  readonly proofs: number
  readonly silent: number
}

/** So many directories of a network may say anything without there being two maps of one epoch (SPEC section 11.8). */
export function liarsOf({ directories, threshold }: Pick<Network, 'directories' | 'threshold'>): number {
  return 2 * threshold - directories.length - 1
}

/** One directory among several: takes part in the round of each epoch. */
export class Consensus {
  readonly #parts: ConsensusParts
  readonly #exchange: Exchange
  #round: Round | undefined
  readonly #maps: DirectoryClient
  readonly #closing = new AbortController()
  #fetching = false
  /** What this directory will say if it votes in the next moment. */
  #vote: Vote | undefined
  /** Epoch of the last map that this directory saw agreed on in its own round. */
  #settled = 0

  constructor(parts: ConsensusParts) {
    this.#parts = parts
    const { network, key, send, clock, random, log } = parts
    this.#maps = new DirectoryClient(network, { clock, random })
    this.#exchange = new Exchange({ network, send, random, log, self: toHex(key.publicBytes) })
  }

  close(): void {
    this.#closing.abort()
    this.#exchange.close()
  }

  /** Time passes. Not called again before it is fulfilled. @param networkMs Unix ms */
  async tick(networkMs: number): Promise<void> {
    const { epoch, phase } = scheduleAt(networkMs, this.#parts.epochSeconds)
    const round = this.#roundOf(epoch)
    if (round.votes) this.#vote = await this.#parts.vote()
    round.advance(phase)
    if (phase === 'publish' && this.#settled !== epoch) await this.#settle(round.agreed())
    this.#exchange.visitAll(round)
    const running = Math.floor(networkMs / 1000 / this.#parts.epochSeconds)
    if (this.#latestEpoch < running) void this.#catchUp(networkMs)
  }

  /** A head that a peer sends, before its body is read. @throws Fault encoding-invalid, signature-invalid, note-epoch */
  checkHead(kind: NoteKind, bytes: Uint8Array): NoteHead {
    const head = verifyHead(kind, bytes, this.#parts.network)
    const round = this.#round
    if (head.epoch !== round?.epoch) throw new Fault('note-epoch')
    return head
  }

  /** @throws Fault document-too-large, encoding-invalid, signature-invalid, note-epoch */
  take(head: NoteHead, body: Uint8Array): 'accepted' | 'unchanged' {
    if (this.#round === undefined) throw new Fault('note-epoch')
    return this.#round.take(verifyBody(head, body)) ? 'accepted' : 'unchanged'
  }

  find(kind: NoteKind, epoch: number, signer: string): Note | undefined {
    return this.#round?.epoch === epoch ? this.#round.find(kind, signer) : undefined
  }

  health(): ConsensusHealth | undefined {
    const round = this.#round
    return round && { deciding: round.epoch, ...round.facts(), silent: this.#exchange.silent }
  }

  get #latestEpoch(): number {
    return this.#parts.latest()?.epoch ?? 0
  }

  /** The map is published, unless it came from the others already; then it must be the same. */
  async #settle(map: PublishedMap | undefined): Promise<void> {
    if (map === undefined) return
    const { epoch } = map.content
    const latest = this.#parts.latest()
    if (latest === undefined || latest.epoch < epoch) await this.#parts.publish(map)
    else if (latest.epoch === epoch && !equalBytes(latest.hash, map.hash)) {
      this.#parts.log.error('there are two maps of one epoch', {
        epoch,
        one: toHex(latest.hash),
        other: toHex(map.hash),
      })
    }
    // A replica that does not publish waits for the one that does: if that is gone, it publishes itself.
    if (this.#latestEpoch >= epoch) this.#settled = epoch
  }

  #roundOf(epoch: number): Round {
    if (this.#round?.epoch === epoch) return this.#round
    if (this.#round !== undefined) this.#report(this.#round)
    this.#exchange.forget()
    const { network, key, signed, keepProof, log, freeze } = this.#parts
    const decided = freeze && new Decisions(epoch, freeze, log)
    this.#round = new Round({
      ...{ network, epoch, liars: liarsOf(network) },
      vote: () => this.#vote && encodeVote(this.#vote),
      sign: (kind, body) => {
        const said = decided === undefined ? body : decided.find(kind, body)
        if (said === undefined || said === 'later') return said
        const note = signNote(kind, epoch, said, key, network.id)
        return signed.claim(kind, epoch, note.head.hash) ? note : undefined
      },
      signMap: (body) => signMapBody(body, key, network.id),
      onProof: (first, second) => {
        log.error('a directory said two things', { epoch, kind: first.kind, directory: first.signer })
        keepProof(first, second)
      },
    })
    return this.#round
  }

  /** Takes a map from the others that they signed without this directory. */
  async #catchUp(networkMs: number): Promise<void> {
    if (this.#fetching) return
    this.#fetching = true
    try {
      const map = await this.#maps.fetchMap(this.#parts.send, networkMs, undefined, this.#closing.signal)
      if (map === undefined || map.content.epoch <= this.#latestEpoch || this.#closing.signal.aborted) return
      const { keys } = await this.#maps.fetchKeys(this.#parts.send, map, undefined, this.#closing.signal)
      if (keys === undefined || this.#closing.signal.aborted) return
      await this.#parts.publish({ content: map.content, hash: map.hash, signed: map.bytes, bundles: keys.bundles })
    } catch (error) {
      this.#parts.log.debug('no map of the others', faultFields(error))
    } finally {
      this.#fetching = false
    }
  }

  /** At the end of a round: what went wrong in it. */
  #report(round: Round): void {
    const facts = { epoch: round.epoch, ...round.facts() }
    if (this.#latestEpoch < round.epoch) this.#parts.log.warn('no map was agreed on', facts)
    else if (facts.disagreeing > 0) this.#parts.log.warn('directories disagreed on the map', facts)
  }
}
