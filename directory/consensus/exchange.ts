import { toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { faultFields, type Log } from '../../shared/base/log.ts'
import { chooseOne, type Random } from '../../shared/base/random.ts'
import type { HttpSend } from '../../shared/map/http-send.ts'
import type { Network, NetworkDirectory } from '../../shared/map/network.ts'
import { MAX_NOTE_BYTES, NOTE_HEAD_BYTES, NOTE_KINDS, type Note, type NoteKind, verifyNote } from './note.ts'
import type { Round } from './round.ts'

/** Where notes of a kind are given and asked for, behind the url of a directory (SPEC section 11.10). */
export const NOTE_PATHS: Readonly<Record<NoteKind, string>> = {
  vote: '/v1/votes',
  echo: '/v1/echoes',
  log: '/v1/signatures',
}
/** Header of a request that brings a note: its head, hexadecimal. The body is read only if this is right. */
export const NOTE_HEADER = 'spn-note'

const MAX_REFUSAL_BYTES = 1024
const VISIT_TIMEOUT_MS = 20_000

export interface ExchangeParts {
  readonly network: Network
  /** Own key, hexadecimal. */
  readonly self: string
  readonly send: HttpSend
  readonly random: Random
  readonly log: Log
}

/** Carries notes between this directory and the others: hands over its own, and asks for those that it misses. */
export class Exchange {
  readonly #parts: ExchangeParts
  readonly #peers: readonly NetworkDirectory[]
  /** Peers that are visited at the moment, and those that did not answer the last time. */
  readonly #busy = new Set<NetworkDirectory>()
  readonly #silent = new Set<NetworkDirectory>()
  /** What each peer has of this directory: hashes of notes. */
  readonly #given = new Map<NetworkDirectory, Set<string>>()
  readonly #closing = new AbortController()

  constructor(parts: ExchangeParts) {
    this.#parts = parts
    this.#peers = parts.network.directories.filter(({ key }) => toHex(key.bytes) !== parts.self)
  }

  /** Visits every peer that is not being visited. */
  visitAll(round: Round): void {
    for (const peer of this.#peers) if (!this.#busy.has(peer)) void this.#visit(peer, round)
  }

  /** A new epoch: what was given before is of no use any more. */
  forget(): void {
    this.#given.clear()
  }

  /** Peers that did not answer when they were visited last. */
  get silent(): number {
    return this.#silent.size
  }

  close(): void {
    this.#closing.abort()
  }

  async #visit(peer: NetworkDirectory, round: Round): Promise<void> {
    this.#busy.add(peer)
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(VISIT_TIMEOUT_MS)])
      for (const kind of NOTE_KINDS) {
        const note = round.find(kind, this.#parts.self)
        if (note !== undefined) await this.#give(peer, note, signal)
      }
      for (const { kind, signer } of this.#wanted(peer, round)) await this.#ask(peer, kind, signer, round, signal)
      this.#silent.delete(peer)
    } catch (error) {
      if (this.#closing.signal.aborted) return
      if (!this.#silent.has(peer)) {
        this.#parts.log.warn('directory not reached', { directory: peer.name, ...faultFields(error) })
      }
      this.#silent.add(peer)
    } finally {
      this.#busy.delete(peer)
    }
  }

  /** What this peer itself said first, then some of the others' at random, so that what is lost comes another way. */
  #wanted(peer: NetworkDirectory, round: Round): { kind: NoteKind; signer: string }[] {
    const missing = round.missing()
    const key = toHex(peer.key.bytes)
    const own = missing.filter(({ signer }) => signer === key)
    const other = chooseOne(
      missing.filter(({ signer }) => signer !== key),
      this.#parts.random,
    )
    return other === undefined ? own : [...own, other]
  }

  async #give(peer: NetworkDirectory, { head, body }: Note, signal: AbortSignal): Promise<void> {
    const given = this.#given.get(peer) ?? new Set()
    if (given.has(head.hash)) return
    const headers = { 'content-type': 'application/octet-stream', [NOTE_HEADER]: toHex(head.bytes) }
    const url = peer.url + NOTE_PATHS[head.kind]
    const { status } = await this.#parts.send(
      { method: 'POST', url, headers, body, maxBytes: MAX_REFUSAL_BYTES },
      signal,
    )
    // Any other answer may be another one later: the peer's clock is behind, or it can not write.
    if (status >= 300) return
    given.add(head.hash)
    this.#given.set(peer, given)
  }

  async #ask(peer: NetworkDirectory, kind: NoteKind, signer: string, round: Round, signal: AbortSignal): Promise<void> {
    const url = `${peer.url}${NOTE_PATHS[kind]}/${round.epoch}/${signer}`
    const maxBytes = NOTE_HEAD_BYTES + MAX_NOTE_BYTES[kind]
    const { status, body } = await this.#parts.send({ method: 'GET', url, maxBytes }, signal)
    if (status !== 200) return
    const note = verifyNote(kind, body, this.#parts.network)
    if (note.head.signer !== signer || note.head.epoch !== round.epoch) throw new Fault('encoding-invalid')
    round.take(note)
  }
}
