import { equalBytes, toHex } from '../../shared/base/bytes.ts'
import { Fault, isFault } from '../../shared/base/fault.ts'
import type { Network } from '../../shared/map/network.ts'
import type { MapSignature } from '../../shared/map/signed-frame.ts'
import { encodeSignedMap, verifyMapSignature } from '../../shared/map/signed-map.ts'
import { finishMap, type MadeMap } from '../map-draft.ts'
import { decodeEcho, encodeEcho } from './echo.ts'
import { decodeLogEntry, encodeLogEntry, type LogEntry } from './log-entry.ts'
import { makeMap } from './make-map.ts'
import { NOTE_KINDS, type Note, type NoteHead, type NoteKind } from './note.ts'
import { PHASES_OF_ROUND, type RoundPhase } from './schedule.ts'
import { decodeVote, type Vote } from './vote.ts'

export interface RoundParts {
  readonly network: Network
  readonly epoch: number
  /** So many directories may say anything (SPEC section 11.8). */
  readonly liars: number
  /** Body of the own vote; undefined if there is nothing to say. */
  readonly vote: () => Uint8Array | undefined
  /**
   * Signs, having remembered it for ever; undefined if something else of this epoch was signed before; `later` if that
   * is still to be found out: then it is asked again.
   */
  readonly sign: (kind: NoteKind, body: Uint8Array) => Note | undefined | 'later'
  readonly signMap: (body: Uint8Array) => MapSignature
  /** A directory said two things. Both heads prove it to anybody. */
  readonly onProof: (first: NoteHead, second: NoteHead) => void
}

/** A map that enough directories signed. */
export interface AgreedMap extends MadeMap {
  readonly signed: Uint8Array
  readonly signatures: number
}

/**
 * How one directory decides on the map of one epoch (SPEC section 11.8):
 *
 *     vote  →  echo  →  sign  →  publish
 *     own      heads    map of   k equal
 *     view     of all   what k   signatures
 *              votes    echoed
 *
 * Pure: whoever holds it says how late it is, and carries notes to and from the others. Whatever they do, this
 * directory signs one map at most, so two maps of one epoch can not both have k honest signatures.
 */
export class Round {
  readonly #parts: RoundParts
  readonly #notes = new Map<string, Note>()
  /** The first head of each directory and kind, from a note or from somebody's echo. */
  readonly #heads = new Map<string, NoteHead>()
  /** Directories that said two things, by kind: the second head. */
  readonly #proofs = new Map<string, NoteHead>()
  readonly #echoes = new Map<string, readonly NoteHead[]>()
  readonly #entries = new Map<string, LogEntry>()
  #entered = 0
  #chosen: readonly NoteHead[] | undefined
  #made: MadeMap | undefined

  constructor(parts: RoundParts) {
    this.#parts = parts
  }

  get epoch(): number {
    return this.#parts.epoch
  }

  /** Is it still going to vote? */
  get votes(): boolean {
    return this.#entered === 0
  }

  /** It is this phase now. Those that were slept through are made up for. */
  advance(phase: RoundPhase): void {
    const until = PHASES_OF_ROUND.indexOf(phase)
    for (; this.#entered <= until; this.#entered++) {
      const entered = PHASES_OF_ROUND[this.#entered]
      if (entered === 'vote' && !this.#vote()) return
      if (entered === 'echo' && !this.#echo()) return
    }
    if (until >= PHASES_OF_ROUND.indexOf('sign')) this.#make()
  }

  /**
   * Takes what a directory says. False if it is known, or says another thing than before.
   * @throws Fault note-epoch; encoding-invalid, signature-invalid for a body that is none of its kind
   */
  take(note: Note): boolean {
    const { head, body } = note
    if (head.epoch !== this.epoch) throw new Fault('note-epoch', { epoch: head.epoch, expected: this.epoch })
    const key = keyOf(head.kind, head.signer)
    const echo = head.kind === 'echo' ? decodeEcho(body, this.epoch, this.#parts.network) : []
    const entry = head.kind === 'log' ? decodeLogEntry(body) : undefined
    if (!this.#hear(head) || this.#notes.has(key)) return false
    this.#notes.set(key, note)
    if (head.kind === 'echo') this.#echoes.set(head.signer, echo)
    if (entry !== undefined) this.#entries.set(head.signer, entry)
    for (const vote of echo) this.#hear(vote)
    return true
  }

  find(kind: NoteKind, signer: string): Note | undefined {
    return this.#notes.get(keyOf(kind, signer))
  }

  /** Notes that are due and not here. Those of directories that said two things are not waited for. */
  missing(): { kind: NoteKind; signer: string }[] {
    const due = NOTE_KINDS.slice(0, this.#entered)
    return due.flatMap((kind) =>
      this.#parts.network.directories
        .map(({ key }) => ({ kind, signer: toHex(key.bytes) }))
        .filter(({ signer }) => !this.#notes.has(keyOf(kind, signer)) && !this.#proofs.has(keyOf(kind, signer))),
    )
  }

  /** The map as soon as enough directories signed the one that is made here. */
  agreed(): AgreedMap | undefined {
    const made = this.#made
    if (made === undefined) return undefined
    const { network } = this.#parts
    const signatures = network.directories.flatMap(({ key }): MapSignature[] => {
      const entry = this.#entries.get(toHex(key.bytes))
      if (entry === undefined || !equalBytes(entry.mapHash, made.hash)) return []
      const signature = { directoryKey: key.bytes, signature: entry.mapSignature }
      return verifyMapSignature(made.body, entry.mapSignature, key, network.id) ? [signature] : []
    })
    if (signatures.length < network.threshold) return undefined
    return { ...made, signed: encodeSignedMap(made.body, signatures), signatures: signatures.length }
  }

  /** Counts, for the log: what is held of each kind, votes that were chosen, maps that others signed instead. */
  facts(): { votes: number; echoes: number; chosen: number; signatures: number; disagreeing: number; proofs: number } {
    const held = (kind: NoteKind): number => [...this.#notes.values()].filter(({ head }) => head.kind === kind).length
    const { hash } = this.#made ?? {}
    const other = [...this.#entries.values()].filter(({ mapHash }) => hash !== undefined && !equalBytes(mapHash, hash))
    return {
      ...{ votes: held('vote'), echoes: held('echo'), chosen: this.#chosen?.length ?? 0, signatures: held('log') },
      ...{ disagreeing: other.length, proofs: this.#proofs.size },
    }
  }

  #vote(): boolean {
    const body = this.#parts.vote()
    return body === undefined || this.#say('vote', body)
  }

  #echo(): boolean {
    const heads = [...this.#heads.values(), ...this.#proofs.values()].filter(({ kind }) => kind === 'vote')
    return this.#say('echo', encodeEcho(heads))
  }

  /** False if it is to be tried again. */
  #say(kind: NoteKind, body: Uint8Array): boolean {
    const note = this.#parts.sign(kind, body)
    if (note === 'later') return false
    if (note !== undefined) this.take(note)
    return true
  }

  /** Chooses once; makes when the chosen votes are here; and signs what was made. */
  #make(): void {
    if (this.#made !== undefined) return
    const chosen = this.#chosen ?? this.#choose()
    const { network, epoch, liars } = this.#parts
    if (chosen.length < network.threshold) return
    this.#chosen = chosen
    const notes = chosen.flatMap(({ signer }) => this.find('vote', signer) ?? [])
    if (notes.length < chosen.length) return
    const votes = notes.flatMap(({ body }) => readVote(body) ?? [])
    const draft = votes.length < network.threshold ? undefined : makeMap(votes, epoch, liars)
    if (draft === undefined) return
    const made = finishMap(draft, network.id)
    if (this.#sign(made)) this.#made = made
  }

  #sign({ content, body, hash }: MadeMap): boolean {
    const { signature } = this.#parts.signMap(body)
    return this.#say(
      'log',
      encodeLogEntry({ mapHash: hash, previousHash: content.previousHash, mapSignature: signature }),
    )
  }

  /** Votes that at least k directories echoed, of directories that said one thing only. */
  #choose(): NoteHead[] {
    const { network } = this.#parts
    return [...this.#heads.values()].filter(({ kind, signer, hash }) => {
      if (kind !== 'vote' || this.#proofs.has(keyOf('vote', signer))) return false
      const echoing = [...this.#echoes].filter(
        ([from, heads]) =>
          !this.#proofs.has(keyOf('echo', from)) && heads.some((head) => head.signer === signer && head.hash === hash),
      )
      return echoing.length >= network.threshold
    })
  }

  /** False if this directory said another thing of this kind. */
  #hear(head: NoteHead): boolean {
    const key = keyOf(head.kind, head.signer)
    const first = this.#heads.get(key)
    if (first === undefined) this.#heads.set(key, head)
    if (first === undefined || first.hash === head.hash) return true
    if (!this.#proofs.has(key)) {
      this.#proofs.set(key, head)
      this.#parts.onProof(first, head)
    }
    return false
  }
}

function keyOf(kind: NoteKind, signer: string): string {
  return `${kind} ${signer}`
}

/** Undefined for a vote that can not be read: everybody who has these bytes leaves it out. */
function readVote(body: Uint8Array): Vote | undefined {
  try {
    return decodeVote(body)
  } catch (error) {
    if (isFault(error)) return undefined
    throw error
  }
}
