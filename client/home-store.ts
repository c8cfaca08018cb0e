import { join } from 'node:path'
import { ByteReader } from '../shared/base/byte-reader.ts'
import { ByteWriter } from '../shared/base/byte-writer.ts'
import { equalBytes, parseHex, toHex, utf8 } from '../shared/base/bytes.ts'
import { loadState, writeStateFile } from '../shared/base/state-file.ts'
import { HUB_ID_BYTES } from '../shared/crypto/hub-key.ts'
import { type Guard, type Guards, MAX_GUARDS, UNDATED } from './navigator/home-guards.ts'

const MAGIC = utf8('SPNG')
const VERSION = 1
const HEAD_BYTES = MAGIC.length + 1
/** Times are seconds of network time, 0 for none. */
const GUARD_BYTES = HUB_ID_BYTES + 3 * 4
/** The file of before held at most so many hub ids, and nothing else. */
const OLD_HOMES = 4

/**
 * The home hubs of this client, kept on purpose. The file, in network order:
 *
 *     "SPNG" | version u8 | for each, the preferred first: hub id (32) | sampled u32 | confirmed u32 | unlisted since u32
 *
 * A file of before, which is hub ids alone, is read as homes that worked; no length fits both.
 */
export class HomeStore {
  readonly #file: string
  #guards: Guards

  /** @throws Fault state-corrupt */
  constructor(stateDir: string) {
    this.#file = join(stateDir, 'homes')
    this.#guards = loadState(this.#file, decode) ?? []
  }

  /** The preferred one first. */
  get guards(): Guards {
    return this.#guards
  }

  /** Ids of those that worked, the preferred one first. */
  get ids(): readonly Uint8Array[] {
    return this.#guards
      .filter(({ confirmedAt }) => confirmedAt !== undefined)
      .map(({ hub }) => parseHex(hub) as Uint8Array)
  }

  /** @throws Fault state-unwritable; this object knows them then all the same */
  put(guards: Guards): void {
    const before = encode(this.#guards)
    this.#guards = guards
    const after = encode(guards)
    if (!equalBytes(before, after)) writeStateFile(this.#file, after)
  }
}

function encode(guards: Guards): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + guards.length * GUARD_BYTES)
  const writer = new ByteWriter(bytes).bytes(MAGIC).u8(VERSION)
  for (const { hub, sampledAt, confirmedAt, unlistedSince } of guards) {
    writer.bytes(parseHex(hub) as Uint8Array)
    for (const seconds of [sampledAt, confirmedAt ?? 0, unlistedSince ?? 0]) writer.u32(Math.max(0, seconds))
  }
  return bytes
}

function decode(bytes: Uint8Array): Guards | undefined {
  if (bytes.length === 0) return []
  const reader = new ByteReader(bytes)
  if (!equalBytes(reader.bytes(MAGIC.length), MAGIC) || reader.u8() !== VERSION) return decodeOld(bytes)
  if (reader.remaining % GUARD_BYTES !== 0 || reader.remaining > MAX_GUARDS * GUARD_BYTES) return undefined
  const guards: Guard[] = []
  while (reader.remaining > 0) {
    const hub = toHex(reader.bytes(HUB_ID_BYTES))
    const [sampledAt, confirmedAt, unlistedSince] = [reader.u32(), reader.u32(), reader.u32()]
    guards.push({
      ...{ hub, sampledAt, failures: 0, failedAt: 0 },
      ...(confirmedAt > 0 ? { confirmedAt } : {}),
      ...(unlistedSince > 0 ? { unlistedSince } : {}),
    })
  }
  return new Set(guards.map(({ hub }) => hub)).size === guards.length ? guards : undefined
}

/** When they came in nobody wrote down: the first map says from when their lives count. */
function decodeOld(bytes: Uint8Array): Guards | undefined {
  if (bytes.length % HUB_ID_BYTES !== 0 || bytes.length > OLD_HOMES * HUB_ID_BYTES) return undefined
  return Array.from({ length: bytes.length / HUB_ID_BYTES }, (_, i) => {
    const hub = toHex(bytes.subarray(i * HUB_ID_BYTES, (i + 1) * HUB_ID_BYTES))
    return { hub, sampledAt: UNDATED, confirmedAt: UNDATED, failures: 0, failedAt: 0 }
  })
}
