import { ByteReader } from '../../shared/base/byte-reader.ts'
import { ByteWriter } from '../../shared/base/byte-writer.ts'
import { parseHex, toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import { loadState, writeStateFile } from '../../shared/base/state-file.ts'
import { HASH_BYTES } from '../../shared/map/hub-map.ts'
import { NOTE_KINDS, type NoteKind } from './note.ts'

interface Signed {
  readonly epoch: number
  /** Hexadecimal. */
  readonly hash: string
}

const ENTRY_BYTES = 4 + HASH_BYTES

/**
 * The last thing that a directory signed of each kind. It stands in a synced file before any signature leaves, so that
 * no restart, and no older database, makes it sign two things for one epoch.
 *
 *     ( epoch u32 | hash (32) ) × vote, echo, log
 */
export class SignedEpochs {
  readonly #file: string
  #last: Readonly<Record<NoteKind, Signed>>

  /** @throws Fault state-corrupt, state-unreadable */
  constructor(file: string) {
    this.#file = file
    const none = { epoch: 0, hash: '00'.repeat(HASH_BYTES) }
    this.#last = loadState(file, decode) ?? { vote: none, echo: none, log: none }
  }

  /**
   * May this be signed? If so it is remembered, on the disk, and nothing else of this epoch or an earlier one ever is.
   * @throws Fault state-unwritable
   */
  claim(kind: NoteKind, epoch: number, hash: string): boolean {
    const last = this.#last[kind]
    if (epoch < last.epoch || (epoch === last.epoch && hash !== last.hash)) return false
    if (epoch === last.epoch) return true
    const next = { ...this.#last, [kind]: { epoch, hash } }
    writeStateFile(this.#file, encode(next))
    this.#last = next
    return true
  }
}

function encode(last: Readonly<Record<NoteKind, Signed>>): Uint8Array {
  const bytes = new Uint8Array(NOTE_KINDS.length * ENTRY_BYTES)
  const writer = new ByteWriter(bytes)
  for (const kind of NOTE_KINDS) {
    const hash = parseHex(last[kind].hash)
    if (hash === undefined) throw new Fault('internal')
    writer.u32(last[kind].epoch).bytes(hash)
  }
  return bytes
}

function decode(bytes: Uint8Array): Record<NoteKind, Signed> | undefined {
  const reader = new ByteReader(bytes)
  const [vote, echo, log] = NOTE_KINDS.map(() => ({ epoch: reader.u32(), hash: toHex(reader.bytes(HASH_BYTES)) }))
  if (!reader.ended || vote === undefined || echo === undefined || log === undefined) return undefined
  return { vote, echo, log }
}
