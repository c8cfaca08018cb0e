import { toHex } from '../../shared/base/bytes.ts'
import { systemRandom } from '../../shared/base/random.ts'
import type { Frozen, Sharing, Turn } from '../sharing.ts'
import type { RedisLink } from './redis-link.ts'
import { FREEZE, LEAVE_LEASE, RENEW_LEASE, TAKE_LEASE } from './redis-scripts.ts'

/** Who does not renew the lease for so long has lost it. */
const PUBLISHER_LEASE_MS = 3_000
/** What was decided is kept for so many epochs. */
const KEPT_DECISIONS = 4

interface Newest {
  /** Brings the newest map into memory. */
  refresh(): Promise<void>
}

/**
 * Which of the replicas publishes. The lease says whose turn it is; a token goes with it, which every write of the
 * publisher brings along, and which is refused as soon as there is a newer one.
 */
export class RedisSharing implements Sharing {
  readonly #link: RedisLink
  readonly #prefix: string
  readonly #newest: Newest
  readonly #name = toHex(systemRandom.bytes(16))
  #token = ''
  /** The token of the turn that `lead` told of. */
  #told = ''

  constructor(link: RedisLink, prefix: string, newest: Newest) {
    this.#link = link
    this.#prefix = prefix
    this.#newest = newest
  }

  /** Empty as long as this replica does not publish. */
  get token(): string {
    return this.#token
  }

  get leads(): boolean {
    return this.#token !== '' && this.#token === this.#told
  }

  async lead(): Promise<Turn | undefined> {
    await this.stay()
    if (this.#token === '') {
      const reply = await this.#link.write(TAKE_LEASE, this.#name, PUBLISHER_LEASE_MS)
      if (!(reply instanceof Uint8Array)) return undefined
      this.#token = String(reply)
    }
    const token = this.#token
    await this.#newest.refresh()
    const unfinished = await this.#unfinished()
    // Told only now: a turn of which nobody heard, because Redis failed meanwhile, is still a new one.
    const isNew = token !== this.#told
    this.#told = token
    return { isNew, unfinished }
  }

  /** Renews the lease, if this replica publishes. */
  async stay(): Promise<void> {
    const token = this.#token
    if (token === '') return
    const renewed = Number(await this.#link.run(RENEW_LEASE, token, PUBLISHER_LEASE_MS)) === 1
    if (!renewed && this.#token === token) this.#token = ''
  }

  async leave(): Promise<void> {
    if (this.#token === '') return
    const token = this.#token
    this.#token = ''
    await this.#link.run(LEAVE_LEASE, token).catch(() => undefined) // then it runs out
  }

  async freeze(kind: Frozen, epoch: number, said: Uint8Array): Promise<Uint8Array | undefined> {
    const reply = await this.#link.write(FREEZE, this.#token, kind, epoch, KEPT_DECISIONS, Buffer.from(said))
    return reply instanceof Uint8Array ? new Uint8Array(reply) : undefined
  }

  async frozen(kind: Frozen, epoch: number): Promise<Uint8Array | undefined> {
    const reply = await this.#link.write(FREEZE, '', kind, epoch, KEPT_DECISIONS, '')
    return reply instanceof Uint8Array ? new Uint8Array(reply) : undefined
  }

  /** The last epoch of which the hash of the map was decided, if the map is not there. */
  async #unfinished(): Promise<number | undefined> {
    const [fields, latest] = await this.#link.readAll([
      ['HKEYS', `${this.#prefix}frozen`],
      ['GET', `${this.#prefix}latest`],
    ])
    const epochs = (fields as unknown[])
      .map((field) => /^log (\d+)$/.exec(String(field))?.[1])
      .filter((one) => one !== undefined)
    const last = Math.max(0, ...epochs.map(Number))
    return last > Number.parseInt(String(latest ?? '0'), 10) ? last : undefined
  }
}
