import { join } from 'node:path'
import { ByteReader } from '../shared/base/byte-reader.ts'
import { ByteWriter } from '../shared/base/byte-writer.ts'
import { wipe } from '../shared/base/bytes.ts'
import { loadState, readStateFile, writeStateFile } from '../shared/base/state-file.ts'
import { CIRCUIT_PRIVATE_KEY_BYTES, CircuitKeyPair } from '../shared/crypto/circuit-key.ts'
import { ED25519_SEED_BYTES } from '../shared/crypto/ed25519.ts'
import { HubKey } from '../shared/crypto/hub-key.ts'
import { CircuitKeyRing } from './circuit-keys.ts'
import { type JournalOptions, ReplayJournal } from './replay-journal.ts'

const KEYS_FORMAT = 1
const KEY_RECORD_BYTES = 8 + 8 + CIRCUIT_PRIVATE_KEY_BYTES

/** The files of a hub: its identity, its circuit keys, CREATEs that it took, and the last sequence number that it published. */
export class HubState {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  get mapFile(): string {
    return join(this.#folder, 'hub-map')
  }

  /** Two hub maps of one epoch, if there ever were any. */
  get proofFile(): string {
    return join(this.#folder, 'contradiction')
  }

  get #keysFile(): string {
    return join(this.#folder, 'circuit.keys')
  }

  /** The hub's identity, made at the first start. @throws Fault state-corrupt */
  loadIdentity(): HubKey {
    const file = join(this.#folder, 'identity.key')
    const found = loadState(file, (bytes) => (bytes.length === ED25519_SEED_BYTES ? HubKey.fromSeed(bytes) : undefined))
    if (found !== undefined) return found
    const key = HubKey.generate()
    const seed = key.toSeed()
    writeStateFile(file, seed)
    wipe(seed)
    return key
  }

  /**
   * The circuit keys, as they were when the hub stopped; undefined at the first start.
   * @param notBefore the first granule in which keys from the disk may be used
   * @throws Fault state-corrupt
   */
  loadKeys(notBefore: number): CircuitKeyRing | undefined {
    return loadState(this.#keysFile, (bytes) => decodeKeys(bytes, notBefore))
  }

  /** What was taken under keys from the disk. @throws Fault state-unreadable, state-unwritable */
  openReplays(options: Pick<JournalOptions, 'bootId' | 'nowGranule' | 'onFailure'>): ReplayJournal {
    const isFirstStart = readStateFile(this.#keysFile) === undefined
    return new ReplayJournal({ ...options, isFirstStart, file: join(this.#folder, 'replays') })
  }

  saveKeys(keys: CircuitKeyRing): void {
    const bytes = encodeKeys(keys)
    writeStateFile(this.#keysFile, bytes)
    wipe(bytes)
  }

  /** The last sequence number that was published; 0 at the first start. @throws Fault state-corrupt */
  loadSequence(): number {
    const file = join(this.#folder, 'sequence')
    return loadState(file, (bytes) => (bytes.length === 4 ? new ByteReader(bytes).u32() : undefined)) ?? 0
  }

  saveSequence(sequence: number): void {
    const bytes = new Uint8Array(4)
    new ByteWriter(bytes).u32(sequence)
    writeStateFile(join(this.#folder, 'sequence'), bytes)
  }
}

/**
 *     format u8 | records u8 | ( created ms u64 | until ms u64, 0 for the current one | private key (96) ) × 1 or 2
 */
function encodeKeys(keys: CircuitKeyRing): Uint8Array {
  const { current, previous } = keys
  const records = [{ ...current, untilMs: 0 }, ...(previous === undefined ? [] : [previous])]
  const bytes = new Uint8Array(2 + records.length * KEY_RECORD_BYTES)
  const writer = new ByteWriter(bytes).u8(KEYS_FORMAT).u8(records.length)
  for (const { pair, createdMs, untilMs } of records) {
    const secret = pair.toBytes()
    writer
      .u64(BigInt(Math.floor(createdMs)))
      .u64(BigInt(Math.floor(untilMs)))
      .bytes(secret)
    wipe(secret)
  }
  return bytes
}

function decodeKeys(bytes: Uint8Array, notBefore: number): CircuitKeyRing | undefined {
  const reader = new ByteReader(bytes)
  const format = reader.u8()
  const count = reader.u8()
  if (format !== KEYS_FORMAT || count < 1 || count > 2 || reader.remaining !== count * KEY_RECORD_BYTES)
    return undefined
  const [current, previous] = Array.from({ length: count }, () => {
    const createdMs = Number(reader.u64())
    const untilMs = Number(reader.u64())
    return { pair: CircuitKeyPair.fromBytes(reader.bytes(CIRCUIT_PRIVATE_KEY_BYTES)), createdMs, untilMs, notBefore }
  })
  return current === undefined ? undefined : new CircuitKeyRing(current, previous)
}
