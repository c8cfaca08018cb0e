import { equalBytes, toHex } from '../shared/base/bytes.ts'
import { Fault } from '../shared/base/fault.ts'
import { type IpRange, ownerOf, parseIp, sameIp } from '../shared/base/ip-address.ts'
import { isPublicIp } from '../shared/base/ip-scope.ts'
import { TokenBucket } from '../shared/base/token-bucket.ts'
import { CircuitPublicKey } from '../shared/crypto/circuit-key.ts'
import { type Descriptor, MIN_DESCRIPTOR_LIFE_S, verifyDescriptor } from '../shared/map/descriptor.ts'
import { provedFamily } from '../shared/map/family.ts'
import type { LinkAddress } from '../shared/map/link-address.ts'
import { isAtLeast } from './admission/version-floor.ts'
import type { Store, StoredDescriptor } from './store.ts'
import type { UnprovedHub } from './unproved-hubs.ts'

export interface IntakeOptions {
  readonly networkId: Uint8Array
  readonly addressScope: readonly IpRange[]
  readonly maxHubs: number
  readonly newHubsPerBlock: number
  readonly perMinutePerHub: number
  readonly perMinutePerSender: number
  /** Older programs are not taken. */
  readonly minimumVersion?: string | undefined
}

export interface Taken {
  readonly descriptor: Descriptor
  readonly isNew: boolean
  /** It may have come before without an answer, so that nobody dialled the hub. */
  readonly isToProbe: boolean
  /** If the hub was never reached. */
  readonly newcomer: UnprovedHub | undefined
}

/** How far a descriptor's time may be off, seconds. */
const MAX_SKEW_S = 600
/** A hub is dialled so often because its descriptor came again. Nobody else who repeats it uses up what the hub may send. */
const REPEATS_PER_MINUTE = 1
/** Rates are remembered for so many hubs and senders. */
const MAX_BUCKETS = 50_000

/** Takes descriptors: what costs least is checked first, and nothing is kept that is not signed, new and sound. */
export class Intake {
  readonly #options: IntakeOptions
  readonly #store: Store
  readonly #hubs = new Map<string, TokenBucket>()
  readonly #senders = new Map<string, TokenBucket>()
  readonly #repeats = new Map<string, TokenBucket>()

  constructor(options: IntakeOptions, store: Store) {
    this.#options = options
    this.#store = store
  }

  /**
   * @param sender address that the descriptor came from
   * @param nowMs Unix ms
   * @returns the descriptor, and whether it was new; the same one again changes nothing
   * @throws Fault descriptor-rate, descriptor-older, descriptor-invalid, limit-reached, and those of `verifyDescriptor`
   */
  async take(signed: Uint8Array, sender: string, nowMs: number): Promise<Taken> {
    const { networkId, perMinutePerHub, perMinutePerSender } = this.#options
    if (!allow(this.#senders, ownerOf(sender), perMinutePerSender, nowMs))
      throw new Fault('descriptor-rate', { limit: 'sender' })
    const descriptor = verifyDescriptor(signed, networkId)
    const proved = await this.#store.descriptor(descriptor.hubId)
    const held = proved ?? (await this.#store.unproved.find(descriptor.hubId))
    const block = blockOf(sender)
    if (held !== undefined && equalBytes(held.signed, signed)) {
      await this.#store.settle()
      const isToProbe = allow(this.#repeats, toHex(descriptor.hubId), REPEATS_PER_MINUTE, nowMs)
      const newcomer = proved === undefined ? { stored: held, block } : undefined
      return { descriptor, isNew: false, isToProbe, newcomer }
    }
    if (held !== undefined && descriptor.sequence <= held.sequence) {
      throw new Fault('descriptor-older', { sequence: descriptor.sequence, held: held.sequence })
    }
    // Behind the check of the sequence: who repeats old descriptors of a hub must not use up what that hub may send.
    if (!allow(this.#hubs, toHex(descriptor.hubId), perMinutePerHub, nowMs)) {
      throw new Fault('descriptor-rate', { limit: 'hub' })
    }
    const now = Math.floor(nowMs / 1000)
    this.#check(descriptor, now)
    const { hubId, sequence, expires } = descriptor
    const stored = { hubId, sequence, expires, signed }
    if (proved !== undefined) {
      if (!(await this.#store.putDescriptor(stored))) throw new Fault('descriptor-older', { sequence })
      return { descriptor, isNew: true, isToProbe: true, newcomer: undefined }
    }
    const newcomer = { stored, block }
    await this.#keepUnproved(newcomer, now)
    return { descriptor, isNew: true, isToProbe: true, newcomer }
  }

  /**
   * The hub was reached for the first time: from now on it counts among the hubs.
   * @param announced what it was dialled by: it counts also where others took its place among those that were never reached
   * @returns false if nothing is held of this hub, or there is no room for it any more
   */
  async prove(hubId: Uint8Array, nowMs: number, announced?: StoredDescriptor): Promise<boolean> {
    const now = Math.floor(nowMs / 1000)
    const { unproved } = this.#store
    const stored = (await unproved.find(hubId)) ?? announced
    if (stored !== undefined && stored.expires > now && (await this.#hasRoom(now)))
      await this.#store.putDescriptor(stored)
    // One that came meanwhile stays, and is dialled too.
    if (stored !== undefined) await unproved.remove(hubId, stored.sequence)
    return (await this.#store.descriptor(hubId)) !== undefined
  }

  /** Those that are still to be reached. */
  unproved(nowMs: number): Promise<UnprovedHub[]> {
    return this.#store.unproved.all(Math.floor(nowMs / 1000))
  }

  async #keepUnproved({ stored, block }: UnprovedHub, now: number): Promise<void> {
    const { maxHubs, newHubsPerBlock } = this.#options
    if (!(await this.#hasRoom(now))) throw new Fault('limit-reached', { hubs: maxHubs })
    if (!(await this.#store.unproved.add(stored, block, now, newHubsPerBlock)))
      throw new Fault('limit-reached', { unproved: true })
  }

  /** All rows count. Those that expired are remembered only as long as nobody needs their place. */
  async #hasRoom(now: number): Promise<boolean> {
    const { maxHubs } = this.#options
    if ((await this.#store.rowCount()) < maxHubs) return true
    await this.#store.prune(now + 1)
    return (await this.#store.rowCount()) < maxHubs
  }

  #check(descriptor: Descriptor, now: number): void {
    const { published, expires, linkAddresses, noiseAddresses, circuitKey, version } = descriptor
    const { minimumVersion: floor, networkId } = this.#options
    if (floor !== undefined && !isAtLeast(version, floor)) throw new Fault('version-refused', { version, floor })
    if (Math.abs(published - now) > MAX_SKEW_S) throw new Fault('descriptor-invalid', { secondsOff: published - now })
    if (expires <= now) throw new Fault('descriptor-invalid', { expired: true })
    if (expires - published < MIN_DESCRIPTOR_LIFE_S)
      throw new Fault('descriptor-invalid', { life: expires - published })
    const scope = this.#options.addressScope
    const hidden = [...linkAddresses, ...noiseAddresses].find(({ ip }) => !isPublicIp(ip, scope))
    if (hidden !== undefined) throw new Fault('descriptor-invalid', { address: 'not public' })
    // A probe that found the hub there would count for both.
    const shared = linkAddresses.some((address) => noiseAddresses.some((other) => sameAddress(address, other)))
    if (shared) throw new Fault('descriptor-invalid', { address: 'for both transports' })
    if (!new CircuitPublicKey(circuitKey).usable) throw new Fault('descriptor-invalid', { circuitKey: 'not usable' })
    if (provedFamily(descriptor.family, descriptor.hubId, networkId) === undefined) {
      throw new Fault('descriptor-invalid', { family: 'not signed for this hub' })
    }
  }
}

function sameAddress(a: LinkAddress, b: LinkAddress): boolean {
  return a.port === b.port && sameIp(a.ip, b.ip)
}

/** Addresses that one sender is likely to have many of: an IPv4 /24, an IPv6 /48. */
function blockOf(sender: string): string {
  const ip = parseIp(sender)
  return ip === undefined ? sender : toHex(ip.subarray(0, ip.length === 4 ? 3 : 6))
}

function allow(buckets: Map<string, TokenBucket>, key: string, perMinute: number, nowMs: number): boolean {
  let bucket = buckets.get(key)
  if (bucket === undefined) {
    if (buckets.size >= MAX_BUCKETS) buckets.delete(buckets.keys().next().value as string)
    bucket = new TokenBucket(perMinute / 60, perMinute, nowMs)
    buckets.set(key, bucket)
  }
  return bucket.take(nowMs)
}
