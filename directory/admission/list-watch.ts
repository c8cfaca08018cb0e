import { toHex } from '../../shared/base/bytes.ts'
import { asFault, Fault } from '../../shared/base/fault.ts'
import { faultFields, type Log } from '../../shared/base/log.ts'
import { readStateFile } from '../../shared/base/state-file.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import type { OperatorPublicKey } from '../../shared/crypto/operator-key.ts'
import { EMPTY_LISTS, HubJudge, type HubLists } from './hub-lists.ts'
import { decodeListFile } from './list-file.ts'

export interface ListWatchParts {
  readonly file: string
  readonly key: OperatorPublicKey
  readonly networkId: Uint8Array
  readonly log: Log
}

/** What may be known of the lists. */
export interface ListState {
  readonly number: number
  readonly entries: number
  /** Why the file as it is now is not in force. */
  readonly refused?: string | undefined
}

/** The lists of the operator, which may change at any time. A file that is damaged, not signed or older changes nothing. */
export class ListWatch {
  readonly #parts: ListWatchParts | undefined
  #lists: HubLists = EMPTY_LISTS
  #judge = new HubJudge(EMPTY_LISTS)
  /** Hash of the file at the last look. */
  #seen: string | undefined
  #refused: string | undefined

  /** @param parts undefined where the operator has no lists */
  constructor(parts: ListWatchParts | undefined) {
    this.#parts = parts
  }

  get judge(): HubJudge {
    return this.#judge
  }

  get state(): ListState {
    return { number: this.#lists.number, entries: this.#lists.entries.length, refused: this.#refused }
  }

  /** Looks whether the file changed. To be called again and again. */
  look(): void {
    if (this.#parts === undefined) return
    try {
      const bytes = readStateFile(this.#parts.file)
      const seen = bytes === undefined ? 'none' : toHex(sha256(bytes))
      if (seen === this.#seen) return
      this.#seen = seen
      if (bytes === undefined) throw new Fault('state-unreadable', { file: this.#parts.file, reason: 'no such file' })
      this.#take(decodeListFile(bytes, this.#parts.key, this.#parts.networkId))
    } catch (error) {
      this.#refuse(error)
    }
  }

  #take(lists: HubLists): void {
    if (lists.number < this.#lists.number) {
      throw new Fault('list-older', { number: lists.number, held: this.#lists.number })
    }
    this.#lists = lists
    this.#judge = new HubJudge(lists)
    this.#refused = undefined
    this.#parts?.log.info('lists in force', { number: lists.number, entries: lists.entries.length })
  }

  #refuse(error: unknown): void {
    const { code } = asFault(error)
    if (this.#refused === code && code === 'state-unreadable') return // the same at every look
    this.#refused = code
    this.#parts?.log.error('lists not taken, those of before stay in force', faultFields(error))
  }
}
