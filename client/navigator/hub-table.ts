import type { MapHub } from '../../shared/map/hub-map.ts'
import type { HubFacts } from './hub-facts.ts'
import { blocksOf, hubSignature, policyText } from './hub-signature.ts'
import { Names } from './names.ts'
import { pointOf, roundTripMs } from './sphere.ts'

/** Bits of `roles`. */
export const ROLE = { home: 1, relay: 2, exit4: 4, exit6: 8, echo: 16 } as const

/** Groups that a hub can be of, in `groups`: one who runs it, one family, one autonomous system. */
export const GROUPS_PER_HUB = 3
export const NO_GROUP = -1
const SYSTEM_GROUP = 2

/** A full hub still gets a little, so that its load can fall and be seen to. */
const LEAST_OF_CAPACITY = 0.05
/** What a full hub costs, ms; half full a quarter of it. */
const FULL_COST = 40
/** What a hub of 10 Mbit/s costs, ms; one of 100 Mbit/s a tenth of it. */
const THIN_COST = 10
const THIN_KBITS = 10_000
/** Of three places on a path one is the exit's. */
const EXIT_PLACES = 1 / 3
const FIRST_SLOTS = 64

/**
 * The hubs of a map, laid out so that a choice looks at all of them in a fraction of a millisecond: columns of numbers,
 * one slot for each hub. Keeps up with new maps: hubs that stayed as they were stay where they are.
 */
export class HubTable {
  readonly facts: HubFacts
  /** Everything below is by slot; slots without a hub have no role. */
  hubs: (MapHub | undefined)[] = []
  x = new Float64Array(FIRST_SLOTS)
  y = new Float64Array(FIRST_SLOTS)
  z = new Float64Array(FIRST_SLOTS)
  /** Capacity that is left. */
  weight = new Float64Array(FIRST_SLOTS)
  /** What its load, its capacity and its delays cost, ms. */
  toll = new Float64Array(FIRST_SLOTS)
  roles = new Uint8Array(FIRST_SLOTS)
  /** Numbers of texts, `NO_GROUP` for what is not known or not said. */
  country = new Int32Array(FIRST_SLOTS)
  policy = new Int32Array(FIRST_SLOTS)
  groups = new Int32Array(FIRST_SLOTS * GROUPS_PER_HUB)
  blocks: (readonly number[])[] = []
  readonly #slots = new Map<string, number>()
  readonly #free: number[] = []
  #signatures: string[] = []
  readonly #countries = new Names()
  readonly #groupNames = new Names()
  readonly #blockNames = new Names()
  readonly #policyNames = new Names()
  /** One hub's policy for each number. */
  readonly policies: MapHub['exitPolicy'][] = []
  #changes = 0
  #exits = new Int32Array(0)
  #exitsLeft = 1
  #exitsSeenAt = -1

  constructor(hubs: readonly MapHub[], facts: HubFacts) {
    this.facts = facts
    for (const hub of hubs) this.#put(hub, hubSignature(hub, facts))
  }

  /** Slots that are or were in use: all that a loop has to look at. */
  get slotCount(): number {
    return this.hubs.length
  }

  get hubCount(): number {
    return this.#slots.size
  }

  get groupCount(): number {
    return this.#groupNames.count
  }

  /** Another number after every change. */
  get changes(): number {
    return this.#changes
  }

  /** Slots of all exits. */
  get exits(): Int32Array {
    this.#lookAtExits()
    return this.#exits
  }

  /**
   * Of the capacity of exits, the part that is left for other places on a path, so that no operator carries more than its
   * share: nobody else can be the exit.
   */
  get exitsLeft(): number {
    this.#lookAtExits()
    return this.#exitsLeft
  }

  slotOf(key: string): number | undefined {
    return this.#slots.get(key)
  }

  hubAt(slot: number): MapHub {
    return this.hubs[slot] as MapHub
  }

  countryNumber(country: string): number {
    return country === '' ? NO_GROUP : this.#countries.find(country)
  }

  systemNumber(asn: number): number {
    return asn === 0 ? NO_GROUP : this.#groupNames.find(`system ${asn}`)
  }

  systemAt(slot: number): number {
    return this.groups[slot * GROUPS_PER_HUB + SYSTEM_GROUP] as number
  }

  /** What a group is, for people. */
  groupName(group: number): string {
    return this.#groupNames.name(group)
  }

  /** Are two hubs one, of one operator, family or address block, so that they must not meet on a path? */
  areRelated(a: number, b: number): boolean {
    if (a === b) return true
    for (let kind = 0; kind < SYSTEM_GROUP; kind++) {
      const group = this.groups[a * GROUPS_PER_HUB + kind] as number
      if (group !== NO_GROUP && group === this.groups[b * GROUPS_PER_HUB + kind]) return true
    }
    const blocks = this.blocks[b] as readonly number[]
    return blocks.length > 0 && (this.blocks[a] as readonly number[]).some((block) => blocks.includes(block))
  }

  sameSystem(a: number, b: number): boolean {
    const system = this.systemAt(a)
    return system !== NO_GROUP && system === this.systemAt(b)
  }

  sameCountry(a: number, b: number): boolean {
    const country = this.country[a] as number
    return country !== NO_GROUP && country === this.country[b]
  }

  /** Round trip of the link between two hubs, ms: as measured, or else as the distance says. */
  linkMs(a: number, b: number): number {
    return this.facts.linkMs(this.hubAt(a), this.hubAt(b)) ?? this.distanceMs(a, b)
  }

  distanceMs(a: number, b: number): number {
    const { x, y, z } = this
    return roundTripMs(
      (x[a] as number) - (x[b] as number),
      (y[a] as number) - (y[b] as number),
      (z[a] as number) - (z[b] as number),
    )
  }

  /**
   * Takes over another map. What hubs report of their links is looked up when it is needed, and not kept here.
   * @returns how many hubs came, went or changed
   */
  update(hubs: readonly MapHub[]): number {
    const before = this.#changes
    const present = new Set(hubs.map(({ key }) => key))
    for (const [key, slot] of [...this.#slots]) if (!present.has(key)) this.#remove(key, slot)
    for (const hub of hubs) {
      const slot = this.#slots.get(hub.key)
      if (slot !== undefined && this.hubs[slot] === hub) continue
      const signature = hubSignature(hub, this.facts)
      if (slot === undefined || this.#signatures[slot] !== signature) this.#put(hub, signature)
      else this.hubs[slot] = hub
    }
    return this.#changes - before
  }

  /** Names of what is gone are not forgotten: now and then a new table is better. */
  get isWorn(): boolean {
    const names = this.#groupNames.count + this.#blockNames.count + this.#policyNames.count
    return names > 16 * (this.hubCount + FIRST_SLOTS) || this.slotCount > 2 * (this.hubCount + FIRST_SLOTS)
  }

  #lookAtExits(): void {
    if (this.#exitsSeenAt === this.#changes) return
    this.#exitsSeenAt = this.#changes
    const slots: number[] = []
    let [all, exits] = [0, 0]
    for (let slot = 0; slot < this.slotCount; slot++) {
      const weight = this.weight[slot] as number
      all += weight
      if (!isExit(this.roles[slot] as number)) continue
      slots.push(slot)
      exits += weight
    }
    this.#exits = Int32Array.from(slots)
    this.#exitsLeft = Math.max(0, 1 - (EXIT_PLACES * all) / exits)
  }

  #put(hub: MapHub, signature: string): void {
    const slot = this.#slots.get(hub.key) ?? this.#free.pop() ?? this.slotCount
    if (slot >= this.x.length) this.#grow()
    this.#slots.set(hub.key, slot)
    this.#changes++
    this.hubs[slot] = hub
    this.#signatures[slot] = signature
    const { facts } = this
    const point = pointOf(hub.location.place)
    this.x[slot] = point.x
    this.y[slot] = point.y
    this.z[slot] = point.z
    const load = Math.min(1, Math.max(0, facts.load(hub)))
    const kbits = Math.max(1, facts.capacityKbits(hub))
    this.weight[slot] = kbits * Math.max(LEAST_OF_CAPACITY, 1 - load)
    const thin = Math.min(FULL_COST, (THIN_COST * THIN_KBITS) / kbits)
    this.toll[slot] = FULL_COST * load ** 2 + thin + Math.min(FULL_COST, facts.delayMs(hub))
    this.roles[slot] = roleBits(hub)
    const { place, asn } = hub.location
    this.country[slot] = place.country === '' ? NO_GROUP : this.#countries.number(place.country)
    this.blocks[slot] = blocksOf(hub).map((block) => this.#blockNames.number(block))
    const groups = [
      hub.operator === '' ? NO_GROUP : this.#groupNames.number(`operator ${hub.operator}`),
      hub.family === '' ? NO_GROUP : this.#groupNames.number(`family ${hub.family}`),
      asn === 0 ? NO_GROUP : this.#groupNames.number(`system ${asn}`),
    ]
    this.groups.set(groups, slot * GROUPS_PER_HUB)
    const policy = this.#policyNames.number(policyText(hub.exitPolicy))
    this.policy[slot] = policy
    this.policies[policy] = hub.exitPolicy
  }

  #remove(key: string, slot: number): void {
    this.#slots.delete(key)
    this.#free.push(slot)
    this.#changes++
    this.hubs[slot] = undefined
    this.#signatures[slot] = ''
    this.roles[slot] = 0
    this.weight[slot] = 0
    this.blocks[slot] = []
    this.groups.fill(NO_GROUP, slot * GROUPS_PER_HUB, (slot + 1) * GROUPS_PER_HUB)
  }

  #grow(): void {
    const slots = this.x.length * 2
    this.x = grownFloats(this.x, slots)
    this.y = grownFloats(this.y, slots)
    this.z = grownFloats(this.z, slots)
    this.weight = grownFloats(this.weight, slots)
    this.toll = grownFloats(this.toll, slots)
    const roles = new Uint8Array(slots)
    roles.set(this.roles)
    this.roles = roles
    this.country = grownNumbers(this.country, slots)
    this.policy = grownNumbers(this.policy, slots)
    this.groups = grownNumbers(this.groups, slots * GROUPS_PER_HUB)
  }
}

export function isExit(roles: number): boolean {
  return (roles & (ROLE.exit4 | ROLE.exit6)) !== 0
}

function roleBits({ roles }: MapHub): number {
  return (
    (roles.home ? ROLE.home : 0) |
    (roles.relay ? ROLE.relay : 0) |
    (roles.exit4 ? ROLE.exit4 : 0) |
    (roles.exit6 ? ROLE.exit6 : 0) |
    (roles.echo === true ? ROLE.echo : 0)
  )
}

function grownFloats(from: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(length)
  grown.set(from)
  return grown
}

function grownNumbers(from: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(length)
  grown.set(from)
  return grown
}
