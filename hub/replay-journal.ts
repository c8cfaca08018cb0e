import { AppendFile, removeFile, renameFile } from '../shared/base/append-file.ts'
import { BOOT_ID_BYTES } from '../shared/base/boot-id.ts'
import { ByteReader } from '../shared/base/byte-reader.ts'
import { ByteWriter } from '../shared/base/byte-writer.ts'
import { equalBytes, utf8 } from '../shared/base/bytes.ts'
import { readStateFile, writeStateFile } from '../shared/base/state-file.ts'
import { REPLAY_TAG_BYTES } from '../shared/crypto/handshake.ts'
import {
  firstGranuleAfterStart,
  GENERATION_GRANULES,
  GRANULES_BEHIND,
  type SeenCreate,
  type TagKeeper,
} from './replay-store.ts'

const MAGIC = utf8('SPNR')
const VERSION = 1
const HEAD_BYTES = MAGIC.length + 1 + BOOT_ID_BYTES + 4
const RECORD_BYTES = REPLAY_TAG_BYTES + 4

export interface JournalOptions {
  readonly file: string
  /** Of this start of the computer; undefined if it cannot be told from others. */
  readonly bootId: Uint8Array | undefined
  /** Is there nothing that an earlier process may have taken, because there are no circuit keys yet? */
  readonly isFirstStart: boolean
  readonly nowGranule: number
  /** It is not written any more, for this reason. */
  readonly onFailure: (error: unknown) => void
}

interface Content {
  /** What was taken from this granule on is in the journal. */
  readonly knownFrom: number
  readonly seen: readonly SeenCreate[]
}

/**
 * Replay tags on disk, so that a hub which was killed takes circuits at once when it runs again, and none twice (SPEC
 * section 7.5). A file for each of the two tables of the store, in network order:
 *
 *     "SPNR" | version u8 | boot id (16) | known from granule u32 | ( tag (16) | granule u32 ) × n
 *
 * A tag is with the system before anything comes of its CREATE. So the file is whole when this process was killed, and it
 * is not believed when the computer started anew since: it may have crashed before the disk had it. A record that is cut
 * short is one of which nothing came.
 */
export class ReplayJournal implements TagKeeper {
  readonly #options: JournalOptions
  readonly #record = new Uint8Array(RECORD_BYTES)
  /** Of CREATEs taken before, as far as they may still be accepted. */
  readonly seen: readonly SeenCreate[]
  #knownFrom: number
  #out: AppendFile | undefined
  /** What is on disk is not whole, and could not be removed. */
  #misleads = false

  /** @throws Fault state-unreadable, state-unwritable */
  constructor(options: JournalOptions) {
    this.#options = options
    const { isFirstStart, nowGranule } = options
    const found = isFirstStart ? { knownFrom: 0, seen: [] } : this.#read()
    const all = found?.seen ?? []
    const oldest = nowGranule - GRANULES_BEHIND
    this.seen = all.filter(({ granule }) => granule >= oldest)
    // A start in a time that was too late must not bind those in the right one.
    const known = Math.min(found?.knownFrom ?? Number.POSITIVE_INFINITY, firstGranuleAfterStart(nowGranule))
    this.#knownFrom = this.seen.length < all.length ? Math.max(known, oldest) : known
    this.#begin(this.seen)
    removeFile(this.#before)
  }

  /** The first granule of which all is known that any process took. */
  get knownFrom(): number {
    return this.#knownFrom
  }

  keep(tag: Uint8Array, granule: number): boolean {
    if (this.#out === undefined) return !this.#misleads
    new ByteWriter(this.#record).bytes(tag).u32(granule)
    try {
      this.#out.append(this.#record)
      return true
    } catch (error) {
      this.#giveUp(error)
      return !this.#misleads
    }
  }

  turn(nowGranule: number): void {
    const { file, bootId } = this.#options
    const isWhole = this.#out !== undefined
    this.close()
    try {
      if (isWhole) {
        renameFile(file, this.#before)
        // What is forgotten now is older than this: it must not be taken again by a process that begins in an earlier time.
        this.#knownFrom = Math.max(this.#knownFrom, nowGranule - GENERATION_GRANULES + 1)
      } else {
        for (const one of [file, this.#before]) removeFile(one)
        this.#knownFrom = firstGranuleAfterStart(nowGranule)
      }
      this.#misleads = false
      if (bootId === undefined) return
      this.#out = new AppendFile(file)
      this.#out.append(encode({ knownFrom: this.#knownFrom, seen: [] }, bootId))
    } catch (error) {
      this.#giveUp(error)
    }
  }

  close(): void {
    this.#out?.close()
    this.#out = undefined
  }

  get #before(): string {
    return `${this.#options.file}.before`
  }

  /** Survives being killed in between: whoever starts next finds what was there before, or all of this. */
  #begin(seen: readonly SeenCreate[]): void {
    const { file, bootId } = this.#options
    if (bootId === undefined) return removeFile(file)
    writeStateFile(file, encode({ knownFrom: this.#knownFrom, seen }, bootId))
    this.#out = new AppendFile(file)
  }

  /** Until the next turn the hub does well without it. But what is on disk must not be taken for whole. */
  #giveUp(error: unknown): void {
    this.close()
    this.#options.onFailure(error)
    try {
      removeFile(this.#options.file)
    } catch {
      this.#misleads = true
    }
  }

  /** Undefined if it is not known to be whole. */
  #read(): Content | undefined {
    const { file, bootId } = this.#options
    const [newest, before] = [file, this.#before].map(readStateFile)
    if (newest === undefined || bootId === undefined) return undefined
    const current = decode(newest, bootId)
    if (before === undefined || current === undefined) return current
    const older = decode(before, bootId)
    return older && { knownFrom: current.knownFrom, seen: [...older.seen, ...current.seen] }
  }
}

function encode({ knownFrom, seen }: Content, bootId: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + seen.length * RECORD_BYTES)
  const writer = new ByteWriter(bytes).bytes(MAGIC).u8(VERSION).bytes(bootId).u32(knownFrom)
  for (const { tag, granule } of seen) writer.bytes(tag).u32(granule)
  return bytes
}

/** Undefined for anything but a journal of this start of the computer. Tags are copies. */
function decode(bytes: Uint8Array, bootId: Uint8Array): Content | undefined {
  const reader = new ByteReader(bytes.slice())
  const isOurs =
    equalBytes(reader.bytes(MAGIC.length), MAGIC) &&
    reader.u8() === VERSION &&
    equalBytes(reader.bytes(BOOT_ID_BYTES), bootId)
  const knownFrom = reader.u32()
  if (!isOurs || reader.overrun) return undefined
  const count = Math.floor(reader.remaining / RECORD_BYTES)
  const seen = Array.from({ length: count }, () => ({ tag: reader.bytes(REPLAY_TAG_BYTES), granule: reader.u32() }))
  return { knownFrom, seen }
}
