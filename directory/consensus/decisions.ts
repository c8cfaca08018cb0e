import { equalBytes } from '../../shared/base/bytes.ts'
import { faultFields, type Log } from '../../shared/base/log.ts'
import { HASH_BYTES } from '../../shared/map/hub-map.ts'
import type { Freeze } from './consensus.ts'
import type { NoteKind } from './note.ts'

/** What all replicas of a directory say in one epoch, as far as this one knows it. */
export class Decisions {
  readonly #epoch: number
  readonly #freeze: Freeze
  readonly #log: Log
  readonly #known = new Map<NoteKind, Uint8Array>()
  readonly #asked = new Set<NoteKind>()

  constructor(epoch: number, freeze: Freeze, log: Log) {
    this.#epoch = epoch
    this.#freeze = freeze
    this.#log = log
  }

  /**
   * The body that is said instead of this one, because it was decided first. Of the log only the hash of the map is
   * decided, because its body holds a signature: undefined if that is another one.
   */
  find(kind: NoteKind, body: Uint8Array): Uint8Array | undefined | 'later' {
    const said = kind === 'log' ? body.slice(0, HASH_BYTES) : body
    const known = this.#known.get(kind)
    if (known === undefined) this.#ask(kind, said)
    if (known === undefined) return 'later'
    if (kind !== 'log') return known
    return equalBytes(known, said) ? body : undefined
  }

  #ask(kind: NoteKind, said: Uint8Array): void {
    if (this.#asked.has(kind)) return
    this.#asked.add(kind)
    this.#freeze(kind, this.#epoch, said)
      .then((first) => void (first && this.#known.set(kind, first)))
      .catch((error) => this.#log.warn('not decided', { kind, ...faultFields(error) }))
      .finally(() => this.#asked.delete(kind))
  }
}
