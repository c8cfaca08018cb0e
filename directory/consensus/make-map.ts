import { toHex } from '../../shared/base/bytes.ts'
import { encodeCanonical, type Value } from '../../shared/map/canonical.ts'
import { MAX_FLAGS } from '../../shared/map/hub-flags.ts'
import { hubValue } from '../../shared/map/hub-map.ts'
import { type LinkAddress, linkAddressValue } from '../../shared/map/link-address.ts'
import { type Doubts, type Measured, UNMEASURED } from '../../shared/map/measured.ts'
import { placeValue } from '../../shared/map/place-codec.ts'
import { buildMap } from '../map-builder.ts'
import type { MapDraft } from '../map-draft.ts'
import { FIRST_KBITS } from '../measure/assess.ts'
import { termsValue, type Vote, type VotedHub } from './vote.ts'

/** Of times of 32 bits. */
const LAST_SECOND = 0xffffffff

/**
 * The map that these votes make (SPEC section 11.9). Pure, and the order of votes means nothing: whoever has the same
 * votes makes the same bytes. Undefined where they agree on no settings, or on no map before.
 * @param liars so many of the voters may say anything: what no more than these say counts for nothing
 */
export function makeMap(votes: readonly Vote[], epoch: number, liars: number): MapDraft | undefined {
  const terms = tally(
    votes.map((vote) => [vote.terms]),
    (terms) => keyOf(termsValue(terms)),
  ).find(({ count }) => count > votes.length / 2)?.item
  const previous = tally(
    votes.map((vote) => [vote.previous]),
    ({ epoch: of, hash }) => keyOf([of, hash]),
  )
    .filter(({ item, count }) => count > liars && item.epoch < epoch)
    .sort((a, b) => b.item.epoch - a.item.epoch || order(b.key, a.key))[0]?.item
  if (terms === undefined || previous === undefined) return undefined
  return buildMap(mergeHubs(votes, liars), epoch, terms, previous.hash)
}

/** Those that more than half of the votes have. */
function mergeHubs(votes: readonly Vote[], liars: number): VotedHub[] {
  const byId = new Map<string, VotedHub[]>()
  for (const { hubs } of votes) {
    for (const voted of hubs) byId.set(voted.hub.key, [...(byId.get(voted.hub.key) ?? []), voted])
  }
  return [...byId]
    .filter(([, voted]) => voted.length > votes.length / 2)
    .sort(([a], [b]) => order(a, b))
    .flatMap(([, voted]) => mergeHub(voted, votes.length, liars) ?? [])
}

/** The newest descriptor that more than the liars hold, and what those who hold it found out. */
function mergeHub(voted: readonly VotedHub[], voters: number, liars: number): VotedHub | undefined {
  const keys = new Map(voted.map((one) => [one, keyOf(descriptionValue(one))]))
  const chosen = tally(
    voted.map((one) => [one]),
    (one) => keys.get(one) as string,
  )
    .filter(({ count }) => count > liars)
    .sort((a, b) => b.item.sequence - a.item.sequence || order(a.key, b.key))[0]
  if (chosen === undefined) return undefined
  const described = voted.filter((one) => keys.get(one) === chosen.key)
  const hubs = described.map(({ hub }) => hub)
  const least = Math.max(liars, Math.floor(hubs.length / 2)) + 1
  const linkAddresses = agreed(
    hubs.map((hub) => hub.linkAddresses),
    least,
  )
  const noiseAddresses = agreed(
    hubs.map((hub) => hub.noiseAddresses),
    least,
  )
  if (linkAddresses.length === 0) return undefined
  const location = tally(
    hubs.map((hub) => [hub.location]),
    ({ place, asn }) => keyOf([placeValue(place), asn]),
  )[0]?.item
  const hub = {
    ...chosen.item.hub,
    ...{ linkAddresses, noiseAddresses },
    capacityKbits: Math.min(chosen.item.hub.capacityKbits, weightOf(described, liars)),
    measured: mergeMeasured(
      hubs.map(({ measured }) => measured),
      liars,
    ),
    location: location ?? chosen.item.hub.location,
    flags: agreedFlags(voted, Math.max(liars, Math.floor(voters / 2)) + 1),
  }
  // The smaller the time, the older the hub: turned round, so that liars alone make no hub older either.
  const age = median(
    voted.map((one) => LAST_SECOND - one.provenSince),
    liars,
  )
  return { sequence: chosen.item.sequence, provenSince: LAST_SECOND - age, weightKbits: hub.capacityKbits, hub }
}

/** Those that so many votes have set. */
function agreedFlags(voted: readonly VotedHub[], least: number): number {
  let flags = 0
  for (let bit = 1; bit <= MAX_FLAGS; bit *= 2) {
    const count = voted.filter(({ hub }) => Math.floor(hub.flags / bit) % 2 === 1).length
    if (count >= least) flags += bit
  }
  return flags
}

/** What so few measured that liars alone could be all of them counts for nothing: then it is as that of a new hub. */
function weightOf(voted: readonly VotedHub[], liars: number): number {
  const weights = voted.flatMap(({ weightKbits }) => weightKbits ?? [])
  return weights.length > liars ? median(weights, liars) : FIRST_KBITS
}

/** A doubt is something that a directory saw: one honest one is enough. */
function mergeMeasured(measured: readonly Measured[], liars: number): Measured {
  const middle = (name: 'uptimeClass' | 'mtbfClass' | 'loadClass' | 'delayClass'): number =>
    median(
      measured.map((one) => one[name]),
      liars,
    )
  const isDoubted = (doubt: keyof Doubts): boolean => measured.filter(({ doubts }) => doubts[doubt]).length > liars
  return {
    ...{ uptimeClass: middle('uptimeClass'), mtbfClass: middle('mtbfClass') },
    ...{ loadClass: middle('loadClass'), delayClass: middle('delayClass') },
    doubts: { place: isDoubted('place'), capacity: isDoubted('capacity'), status: isDoubted('status') },
  }
}

function agreed(lists: readonly (readonly LinkAddress[])[], least: number): LinkAddress[] {
  return tally(lists, (address) => keyOf(linkAddressValue(address)))
    .filter(({ count }) => count >= least)
    .sort((a, b) => order(a.key, b.key))
    .map(({ item }) => item)
}

/** What the hub itself says: all but what directories find out for themselves. */
function descriptionValue({ sequence, hub }: VotedHub): Value {
  const nowhere = { place: { latitude: 0, longitude: 0, country: '', city: '' }, asn: 0 }
  const said = { linkAddresses: [], noiseAddresses: [], measured: UNMEASURED, location: nowhere, flags: 0 }
  return [sequence, hub.circuitKey.bytes, hubValue({ ...hub, ...said })]
}

/** The one in the middle, of two the smaller; a smaller one where the liars alone could be above it. */
function median(numbers: readonly number[], liars: number): number {
  const middle = Math.floor((numbers.length - 1) / 2)
  return numbers.toSorted((a, b) => a - b)[Math.min(middle, numbers.length - 1 - liars)] ?? 0
}

interface Counted<T> {
  readonly item: T
  readonly key: string
  readonly count: number
}

/** How many lists name each item, the most named first, of equal ones the one whose bytes come first. */
function tally<T>(lists: readonly (readonly T[])[], toKey: (item: T) => string): Counted<T>[] {
  const counts = new Map<string, Counted<T>>()
  for (const list of lists) {
    for (const [key, item] of new Map(list.map((item) => [toKey(item), item]))) {
      counts.set(key, { item, key, count: (counts.get(key)?.count ?? 0) + 1 })
    }
  }
  return [...counts.values()].sort((a, b) => b.count - a.count || order(a.key, b.key))
}

function keyOf(value: Value): string {
  return toHex(encodeCanonical(value))
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
