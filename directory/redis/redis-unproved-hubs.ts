import { parseHex, toHex } from '../../shared/base/bytes.ts'
import type { StoredDescriptor } from '../store.ts'
import { MAX_UNPROVED, UNPROVED_LIFE_S, type UnprovedHub, type UnprovedHubs } from '../unproved-hubs.ts'
import type { RedisLink } from './redis-link.ts'
import { ADD_UNPROVED, REMOVE_UNPROVED } from './redis-scripts.ts'

/** Descriptors of hubs that were never reached, where all replicas have them: whoever took one may be gone a moment later. */
export class RedisUnprovedHubs implements UnprovedHubs {
  readonly #link: RedisLink
  readonly #prefix: string

  constructor(link: RedisLink, prefix: string) {
    this.#link = link
    this.#prefix = prefix
  }

  async find(hubId: Uint8Array): Promise<StoredDescriptor | undefined> {
    const id = toHex(hubId)
    const [head, signed] = await this.#link.readAll([
      ['HGET', `${this.#prefix}unproved-heads`, id],
      ['HGET', `${this.#prefix}unproved`, id],
    ])
    return decode(hubId, head, signed)?.stored
  }

  async all(now: number): Promise<UnprovedHub[]> {
    const ids = ((await this.#link.read('HKEYS', `${this.#prefix}unproved-heads`)) as unknown[]).map(String)
    if (ids.length === 0) return []
    const [heads, signed] = (await this.#link.readAll([
      ['HMGET', `${this.#prefix}unproved-heads`, ...ids],
      ['HMGET', `${this.#prefix}unproved`, ...ids],
    ])) as [unknown[], unknown[]]
    const hubs = ids.flatMap((id, i) => decode(parseHex(id) ?? new Uint8Array(0), heads[i], signed[i]) ?? [])
    return hubs.filter(({ stored, since }) => now - since < UNPROVED_LIFE_S && stored.expires > now)
  }

  async add(stored: StoredDescriptor, block: string, now: number, perBlock: number): Promise<boolean> {
    const { hubId, sequence, expires, signed } = stored
    const limits = [perBlock, MAX_UNPROVED, UNPROVED_LIFE_S]
    const words = [toHex(hubId), sequence, expires, block, now, ...limits, Buffer.from(signed)]
    return Number(await this.#link.write(ADD_UNPROVED, ...words)) === 1
  }

  async remove(hubId: Uint8Array, sequence: number): Promise<void> {
    await this.#link.run(REMOVE_UNPROVED, toHex(hubId), sequence)
  }
}

function decode(hubId: Uint8Array, head: unknown, signed: unknown): (UnprovedHub & { since: number }) | undefined {
  const [, since, expires, sequence, block] = /^(\d+) (\d+) (\d+) (.*)$/.exec(String(head)) ?? []
  if (block === undefined || !(signed instanceof Uint8Array)) return undefined
  const stored = { hubId, sequence: Number(sequence), expires: Number(expires), signed: new Uint8Array(signed) }
  return { stored, block, since: Number(since) }
}
