import { nobleMapBody, nobleMapFields, nobleMapHub, type PlainMap, type PlainMapHub } from './noble-documents.ts'
import { ascii, join, noble, nobleHash, nobleSign, u32 } from './noble-primitives.ts'
import { plainCanonical } from './plain-canonical.ts'

/* Diffs of maps and circuit keys, written from the text of SPEC section 11.11. */

const sameId = (one: PlainMapHub, other: PlainMapHub): boolean => Buffer.compare(one.id, other.id) === 0
const encoded = (hub: PlainMapHub): string => Buffer.from(plainCanonical(nobleMapHub(hub))).toString('hex')
const found = ({ capacityKbits, measured: m }: PlainMapHub): [number, number[]] => [
  capacityKbits,
  [m.uptimeClass, m.mtbfClass, m.loadClass, m.delayClass, m.doubts],
]
/** Does nothing but what was measured differ? */
const isRemeasured = (old: PlainMapHub, now: PlainMapHub): boolean =>
  encoded(old) !== encoded(now) &&
  encoded(old) === encoded({ ...now, capacityKbits: old.capacityKbits, measured: old.measured })
const gaps = (places: readonly number[]): number[] =>
  places.map((place, i) => place - 1 - (i === 0 ? -1 : (places[i - 1] as number)))

export function nobleDiffBody(old: PlainMap, now: PlainMap, networkId: Uint8Array): Uint8Array {
  const left = old.hubs.flatMap((hub, place) => (now.hubs.some((one) => sameId(one, hub)) ? [] : [place]))
  const pairs = old.hubs.flatMap((hub, place) =>
    now.hubs.filter((one) => isRemeasured(hub, one)).map((one) => ({ place, one })),
  )
  const rows = gaps(pairs.map(({ place }) => place)).map((gap, i) => [
    gap,
    ...found((pairs[i] as { one: PlainMapHub }).one),
  ])
  const news = now.hubs.filter(
    (hub) => !old.hubs.some((one) => encoded(one) === encoded(hub)) && !pairs.some(({ one }) => one === hub),
  )
  const from = nobleHash(nobleMapBody(old, networkId))
  return plainCanonical([1, from, nobleMapFields(now, networkId), gaps(left), rows, news.map(nobleMapHub)])
}

/** Brotli without packing anything (RFC 7932, section 9.2): one meta-block as it is, of at most 64 KiB, and an empty last one. */
export function storedBrotli(bytes: Uint8Array): Uint8Array {
  const head = ((bytes.length - 1) << 4) | (1 << 20)
  return join([head & 0xff, (head >> 8) & 0xff, (head >> 16) & 0xff], bytes, [0x03])
}

/** The diff, with the signatures of the new map by the directories with these seeds. */
export function nobleDiff(
  body: Uint8Array,
  now: PlainMap,
  seeds: readonly Uint8Array[],
  networkId: Uint8Array,
): Uint8Array {
  const signed = nobleMapBody(now, networkId)
  const signatures = seeds.flatMap((seed) => [
    noble.ed25519.getPublicKey(seed),
    nobleSign('spn/1 map', networkId, signed, seed),
  ])
  return join(ascii('SPND'), [1, seeds.length], u32(body.length), ...signatures, storedBrotli(body))
}

export function nobleKeyDiff(old: PlainMap, now: PlainMap): Uint8Array {
  const follows = now.hubs.map(
    (hub) => !old.hubs.some((one) => sameId(one, hub) && Buffer.compare(one.circuitKey, hub.circuitKey) === 0),
  )
  const bits = follows.map((yes) => (yes ? '1' : '0')).join('')
  const bytes = (bits.match(/.{1,8}/g) ?? []).map((eight) => Number.parseInt(eight.padEnd(8, '0'), 2))
  const keys = now.hubs.flatMap((hub, i) => (follows[i] ? [hub.circuitKey] : []))
  return join(ascii('SPNK'), [1], bytes, ...keys)
}
