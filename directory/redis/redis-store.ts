import { ByteReader } from '../../shared/base/byte-reader.ts'
import { ByteWriter } from '../../shared/base/byte-writer.ts'
import { concatBytes, parseHex, toHex } from '../../shared/base/bytes.ts'
import { Fault } from '../../shared/base/fault.ts'
import type { Log } from '../../shared/base/log.ts'
import { sha256 } from '../../shared/crypto/kdf.ts'
import { HASH_BYTES } from '../../shared/map/hub-map.ts'
import type { LinkAddress } from '../../shared/map/link-address.ts'
import type { Network } from '../../shared/map/network.ts'
import {
  FORGET_AFTER_S,
  KEPT_COMPANIONS,
  KEPT_MAPS,
  type LoggedMap,
  MAX_ABSENCE_S,
  type MapCompanions,
  type Store,
  type StoredDescriptor,
  type StoredMap,
  type StoredOutline,
  type StoredProbe,
  type StoredProof,
  type StoredRecord,
} from '../store.ts'
import { DocumentCache } from './document-cache.ts'
import { RedisLink, type Word } from './redis-link.ts'
import type { RedisOptions } from './redis-options.ts'
import {
  PRUNE,
  PUT_DESCRIPTOR,
  PUT_DOCUMENT,
  PUT_FAILED,
  PUT_MAP,
  PUT_PROOF,
  PUT_REACHED,
  PUT_RECORDS,
} from './redis-scripts.ts'
import { RedisSharing } from './redis-sharing.ts'
import { RedisUnprovedHubs } from './redis-unproved-hubs.ts'

/** So often each replica looks whether there is a newer map. */
const LOOK_MS = 250
const DESCRIPTORS_AT_ONCE = 500
/** Of the id of the network, in the names of keys. */
const PREFIX_DIGITS = 32

/** A store that any number of replicas of one directory share. All keys have one hash tag: `spn:{NETWORK}:`. */
export class RedisStore implements Store {
  readonly unproved: RedisUnprovedHubs
  readonly sharing: RedisSharing
  readonly #link: RedisLink
  readonly #prefix: string
  readonly #documents = new DocumentCache()
  #latestMap: StoredMap | undefined
  #looking: Promise<void> | undefined
  readonly #timer: NodeJS.Timeout

  private constructor(link: RedisLink, prefix: string) {
    this.#link = link
    this.#prefix = prefix
    this.unproved = new RedisUnprovedHubs(link, prefix)
    this.sharing = new RedisSharing(link, prefix, this)
    this.#timer = setInterval(() => this.#lookAgain(), LOOK_MS)
  }

  /** @throws Fault options-invalid for settings of Redis that are not safe; those of a store */
  static async open(link: RedisLink, prefix: string): Promise<RedisStore> {
    await link.open()
    const store = new RedisStore(link, prefix)
    await store.refresh()
    return store
  }

  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    await this.sharing.leave()
    this.#link.close()
  }

  latestMap(): StoredMap | undefined {
    return this.#latestMap
  }

  /** Brings the newest map into memory. */
  async refresh(): Promise<void> {
    const name = String((await this.#link.read('GET', this.#key('latest'))) ?? '')
    const [, epoch, hash = ''] = /^(\d+) ([0-9a-f]+)$/.exec(name) ?? []
    if (epoch === undefined || Number(epoch) <= (this.#latestMap?.epoch ?? -1)) return
    const [bytes, signed] = [parseHex(hash), await this.#bytes(`map:${hash}`)]
    if (bytes !== undefined && signed !== undefined) this.#latestMap = { epoch: Number(epoch), hash: bytes, signed }
  }

  /** Once at a time: a Redis that is slow must not be asked ever more. */
  #lookAgain(): void {
    if (this.#looking !== undefined) return
    const look = async (): Promise<void> => {
      await this.#link.look()
      await this.sharing.stay()
      await this.refresh()
    }
    this.#looking = look()
      .catch(() => undefined) // the link told it
      .finally(() => {
        this.#looking = undefined
      })
  }

  async settle(): Promise<void> {
    await this.#link.writeAll([])
  }

  check(): Promise<void> {
    return this.settle()
  }

  async descriptor(hubId: Uint8Array): Promise<StoredDescriptor | undefined> {
    const bytes = await this.#link.read('GET', this.#key(`hub:${toHex(hubId)}`))
    return bytes instanceof Uint8Array ? decodeDescriptor(hubId, bytes) : undefined
  }

  async descriptors(now: number): Promise<StoredDescriptor[]> {
    const ids = (await this.#ids(now)).toSorted()
    const found: StoredDescriptor[] = []
    for (let from = 0; from < ids.length; from += DESCRIPTORS_AT_ONCE) {
      const some = ids.slice(from, from + DESCRIPTORS_AT_ONCE)
      const replies = (await this.#link.read('MGET', ...some.map((id) => this.#key(`hub:${id}`)))) as unknown[]
      for (const [i, bytes] of replies.entries()) {
        if (bytes instanceof Uint8Array) found.push(decodeDescriptor(idOf(some[i]), bytes))
      }
    }
    return found
  }

  async hubCount(now: number): Promise<number> {
    return Number(await this.#link.read('ZCOUNT', this.#key('hubs'), `(${now}`, '+inf'))
  }

  async rowCount(): Promise<number> {
    return Number(await this.#link.read('ZCARD', this.#key('hubs')))
  }

  async putDescriptor({ hubId, sequence, expires, signed }: StoredDescriptor): Promise<boolean> {
    const words = [toHex(hubId), sequence, expires, expires + FORGET_AFTER_S, bufferOf(signed)]
    return Number(await this.#link.write(PUT_DESCRIPTOR, ...words)) === 1
  }

  /** Hubs that were never reached are forgotten when they expire: perhaps another replica is just reaching them. */
  async prune(expiredBefore: number): Promise<void> {
    await this.#link.run(PRUNE, expiredBefore)
  }

  async probes(): Promise<StoredProbe[]> {
    const ids = await this.#ids('-inf')
    const found: StoredProbe[] = []
    for (let from = 0; from < ids.length; from += DESCRIPTORS_AT_ONCE) {
      const some = ids.slice(from, from + DESCRIPTORS_AT_ONCE)
      const replies = await this.#link.readAll(some.map((id) => ['HGETALL', this.#key(`probes:${id}`)]))
      for (const [i, reply] of replies.entries()) found.push(...decodeProbes(idOf(some[i]), reply as Uint8Array[]))
    }
    return found
  }

  async records(): Promise<StoredRecord[]> {
    const words = (await this.#link.read('HGETALL', this.#key('records'))) as Uint8Array[]
    return pairsOf(words).map(([id, record]) => ({ hubId: idOf(String(id)), record: new Uint8Array(record) }))
  }

  async putRecords(records: readonly StoredRecord[]): Promise<void> {
    const { token } = this.sharing
    for (let from = 0; from < records.length; from += DESCRIPTORS_AT_ONCE) {
      const some = records.slice(from, from + DESCRIPTORS_AT_ONCE)
      await this.#link.run(PUT_RECORDS, token, ...some.flatMap(({ hubId, record }) => [toHex(hubId), bufferOf(record)]))
    }
  }

  async putReached(hubId: Uint8Array, address: LinkAddress, now: number): Promise<void> {
    await this.#link.run(PUT_REACHED, toHex(hubId), addressName(address), now, MAX_ABSENCE_S)
  }

  async putFailed(hubId: Uint8Array, address: LinkAddress): Promise<void> {
    await this.#link.run(PUT_FAILED, toHex(hubId), addressName(address))
  }

  /** Documents first, each refused if this replica does not publish any more; then all of them count at once. */
  async putMap({ epoch, hash, signed }: StoredMap, companions: MapCompanions): Promise<void> {
    const { bundles, outline, diffs, previousHash } = companions
    const { token } = this.sharing
    const outlined = concatBytes(u32(epoch), u32(outline.bundleHashes.length), outline.bundleHashes, outline.hubs)
    const documents: [index: string, name: string, bytes: Uint8Array][] = [
      ...bundles.map((bundle): [string, string, Uint8Array] => ['bundles', `keys:${toHex(sha256(bundle))}`, bundle]),
      ...diffs.map(({ from, to, bytes }): [string, string, Uint8Array] => ['diffs', diffName(from, to), bytes]),
      ['outlines', `outline:${toHex(hash)}`, outlined],
      ['maps', `map:${toHex(hash)}`, signed],
    ]
    for (const [index, name, bytes] of documents)
      await this.#link.run(PUT_DOCUMENT, token, index, epoch, name, bufferOf(bytes))
    const entry = bufferOf(concatBytes(hash, previousHash))
    await this.#link.write(PUT_MAP, token, epoch, toHex(hash), entry, KEPT_MAPS, KEPT_COMPANIONS)
    await this.refresh()
  }

  signedMap(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#bytes(`map:${toHex(hash)}`)
  }

  mapDiff(from: Uint8Array, to: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#bytes(diffName(from, to))
  }

  keyBundle(hash: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#bytes(`keys:${toHex(hash)}`)
  }

  async outline(hash: Uint8Array): Promise<StoredOutline | undefined> {
    const bytes = await this.#bytes(`outline:${toHex(hash)}`)
    if (bytes === undefined) return undefined
    const reader = new ByteReader(bytes)
    const epoch = reader.u32()
    const bundleHashes = reader.bytes(reader.u32())
    return { epoch, hash, bundleHashes, hubs: reader.rest() }
  }

  async outlines(first: number, last: number): Promise<StoredOutline[]> {
    const names = (await this.#link.read('ZRANGEBYSCORE', this.#key('outlines'), first, last)) as unknown[]
    const found = await Promise.all(names.map((name) => this.outline(idOf(String(name).split(':')[1]))))
    // Of a map that was published: what was interrupted may have left one.
    const logged = new Set((await this.log()).map(({ hash }) => toHex(hash)))
    return found.filter((one) => one !== undefined).filter(({ hash }) => logged.has(toHex(hash)))
  }

  async log(): Promise<LoggedMap[]> {
    const words = (await this.#link.read('HGETALL', this.#key('log'))) as Uint8Array[]
    const entries = pairsOf(words).map(([epoch, entry]): LoggedMap => {
      const bytes = new Uint8Array(entry)
      return { epoch: Number(epoch), hash: bytes.subarray(0, HASH_BYTES), previousHash: bytes.subarray(HASH_BYTES) }
    })
    return entries.sort((a, b) => a.epoch - b.epoch)
  }

  async putProof({ epoch, kind, first, second }: StoredProof): Promise<void> {
    const field = `${epoch} ${kind} ${toHex(first)}`
    await this.#link.write(PUT_PROOF, field, bufferOf(second))
  }

  async proofs(): Promise<StoredProof[]> {
    const words = (await this.#link.read('HGETALL', this.#key('proofs'))) as Uint8Array[]
    const proofs = pairsOf(words).map(([field, second]): StoredProof => {
      const [epoch, kind = '', first] = String(field).split(' ')
      return { epoch: Number(epoch), kind, first: idOf(first), second: new Uint8Array(second) }
    })
    return proofs.sort((a, b) => a.epoch - b.epoch)
  }

  #key(name: string): string {
    return this.#prefix + name
  }

  async #ids(expiringAfter: number | '-inf'): Promise<string[]> {
    const from = expiringAfter === '-inf' ? expiringAfter : `(${expiringAfter}`
    return ((await this.#link.read('ZRANGEBYSCORE', this.#key('hubs'), from, '+inf')) as unknown[]).map(String)
  }

  /** Documents never change, so what was read once is handed out without Redis. */
  async #bytes(name: string): Promise<Uint8Array | undefined> {
    const cached = this.#documents.find(name)
    if (cached !== undefined) return cached
    const bytes = await this.#link.read('GET', this.#key(name))
    if (!(bytes instanceof Uint8Array)) return undefined
    const document = new Uint8Array(bytes)
    this.#documents.add(name, document)
    return document
  }
}

/** The store that the replicas of a directory share. @throws Fault options-invalid; those of a store */
export async function openRedisStore(
  options: RedisOptions,
  { id }: Pick<Network, 'id'>,
  log: Log,
): Promise<RedisStore> {
  const prefix = `spn:{${toHex(id).slice(0, PREFIX_DIGITS)}}:`
  const link = new RedisLink(options, `${prefix}writes`, log)
  try {
    return await RedisStore.open(link, prefix)
  } catch (error) {
    link.close()
    throw error
  }
}

function decodeDescriptor(hubId: Uint8Array, bytes: Uint8Array): StoredDescriptor {
  const reader = new ByteReader(new Uint8Array(bytes))
  return { hubId, sequence: reader.u32(), expires: reader.u32(), signed: reader.rest() }
}

function decodeProbes(hubId: Uint8Array, words: readonly Uint8Array[]): StoredProbe[] {
  return pairsOf(words).map(([name, probe]) => {
    const [ip, port] = String(name).split(' ')
    const [reachedAt = 0, failures = 0, provenSince = reachedAt] = String(probe).split(' ').map(Number)
    return { hubId, address: { ip: idOf(ip), port: Number(port) }, reachedAt, failures, provenSince }
  })
}

function addressName({ ip, port }: LinkAddress): string {
  return `${toHex(ip)} ${port}`
}

function diffName(from: Uint8Array, to: Uint8Array): string {
  return `diff:${toHex(from)}:${toHex(to)}`
}

/** Bytes that a name holds as hexadecimal digits. */
function idOf(text: string | undefined): Uint8Array {
  const bytes = parseHex(text ?? '')
  if (bytes === undefined) throw new Fault('state-corrupt')
  return bytes
}

function pairsOf(words: readonly Uint8Array[]): [Uint8Array, Uint8Array][] {
  return Array.from({ length: words.length / 2 }, (_, i) => [
    words[2 * i] as Uint8Array,
    words[2 * i + 1] as Uint8Array,
  ])
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new ByteWriter(bytes).u32(value)
  return bytes
}

export function bufferOf(bytes: Uint8Array): Word {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}
