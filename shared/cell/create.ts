import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { concatBytes } from '../base/bytes.ts'
import { createAead, NONCE_BYTES, TAG_BYTES } from '../crypto/aead.ts'
import type { CircuitPublicKey } from '../crypto/circuit-key.ts'
import { CIRCUIT_KEY_ID_BYTES } from '../crypto/circuit-key.ts'
import type { EarlySecrets, HopContext, HopRole, Initiated, Offer } from '../crypto/handshake.ts'
import { initiate, type Received, wipeEarly } from '../crypto/handshake.ts'
import { HUB_ID_BYTES } from '../crypto/hub-key.ts'
import { ML_KEM_CIPHERTEXT_BYTES } from '../crypto/ml-kem.ts'
import { X25519_BYTES } from '../crypto/x25519.ts'
import { bodyBytesOf, bodyOf, CELL_TYPES, type CellClass, MAX_HOPS, newFrame } from './cell.ts'
import { DIRECTIONS, PHASES } from './layer.ts'
import { decodeOpen, encodeOpen } from './message.ts'
import type { Opening } from './target.ts'

/** key id (4) | X (32) | ct (1088): what stands in the clear in front of each hop's sealed part (SPEC section 7.1). */
export const OFFER_BYTES = CIRCUIT_KEY_ID_BYTES + X25519_BYTES + ML_KEM_CIPHERTEXT_BYTES
const TIME_BYTES = 4

/** How much shorter the CREATE gets at every hop: offer, time, next hub and tag of one relay. */
export const CREATE_SLOT_BYTES = OFFER_BYTES + TIME_BYTES + HUB_ID_BYTES + TAG_BYTES

/** What one hub learns from a CREATE. */
export type Routing =
  | { readonly role: 'relay'; readonly granule: number; readonly nextId: Uint8Array; readonly inner: Uint8Array }
  | { readonly role: 'exit'; readonly granule: number; readonly target: Opening | undefined }

/** One hop as the client asks for it. */
export interface CreateHop {
  readonly context: HopContext
  readonly key: CircuitPublicKey
}

/** The class of a CREATE: paths of up to 3 hops look alike, those of 4 need the largest cell. */
export function createClass(hops: number): CellClass {
  return hops < MAX_HOPS ? 3 : 4
}

/** Bytes of the body that belong to the hop at this place. */
export function createBytes(bodyBytes: number, place: number): number {
  return bodyBytes - CREATE_SLOT_BYTES * (place - 1)
}

/**
 * Client: the whole path in one frame, innermost hop first, each sealed to its hub.
 *
 * @param hops from the home hub (place 1) to the exit, 1 to 4 of them
 * @param target where the exit connects; undefined to say so only after the answer
 */
export function buildCreate(
  hops: readonly CreateHop[],
  granule: number,
  target: Opening | undefined,
): { frame: Uint8Array; cellClass: CellClass; initiated: Initiated[] } {
  if (hops.length < 1 || hops.length > MAX_HOPS) throw new RangeError('a path has 1 to 4 hops')
  const cellClass = createClass(hops.length)
  const bodyBytes = bodyBytesOf(cellClass)
  const initiated: Initiated[] = []
  let part = target === undefined ? Uint8Array.of(0) : encodeOpen(target)

  for (let place = hops.length; place >= 1; place--) {
    const hop = hops[place - 1] as CreateHop
    const role: HopRole = place === hops.length ? 'exit' : 'relay'
    const started = initiate(hop.context, hop.key, place, role)
    initiated.unshift(started)
    const plain = new Uint8Array(createBytes(bodyBytes, place) - OFFER_BYTES - TAG_BYTES)
    new ByteWriter(plain).u32(granule).bytes(part)
    const sealed = sealPart(plain, started.early, cellClass, place)
    const { keyId, x, ciphertext } = started.offer
    part = concatBytes(keyId, x, ciphertext, sealed)
    if (place > 1) part = concatBytes(hop.context.hubId, part)
  }

  const frame = newFrame(cellClass)
  bodyOf(frame).set(part)
  return { frame, cellClass, initiated }
}

/** Hub: the part of a CREATE that says which key it is for. Views into `body`. */
export function readOffer(body: Uint8Array): Offer {
  const reader = new ByteReader(body)
  return {
    keyId: reader.bytes(CIRCUIT_KEY_ID_BYTES),
    x: reader.bytes(X25519_BYTES),
    ciphertext: reader.bytes(ML_KEM_CIPHERTEXT_BYTES),
  }
}

/** Places and roles that a CREATE of this class can mean, by who sent it; the likely ones first (SPEC section 7.2). */
export function possibleHops(cellClass: CellClass, fromHub: boolean): readonly { place: number; role: HopRole }[] {
  if (cellClass === 3) return fromHub ? SHORT_FROM_HUB : SHORT_FROM_CLIENT
  if (cellClass === 4) return fromHub ? LONG_FROM_HUB : LONG_FROM_CLIENT
  return []
}
const SHORT_FROM_CLIENT = [
  { place: 1, role: 'relay' },
  { place: 1, role: 'exit' },
] as const
const SHORT_FROM_HUB = [
  { place: 2, role: 'relay' },
  { place: 3, role: 'exit' },
  { place: 2, role: 'exit' },
] as const
const LONG_FROM_CLIENT = [{ place: 1, role: 'relay' }] as const
const LONG_FROM_HUB = [
  { place: 2, role: 'relay' },
  { place: 3, role: 'relay' },
  { place: 4, role: 'exit' },
] as const

/** What a hub knows once it has opened its part. */
export interface OpenedCreate {
  readonly place: number
  readonly early: EarlySecrets
  readonly routing: Routing
}

/**
 * Hub: opens its part by trying the places and roles that it can have. Undefined if none fits, which is the same
 * answer for a forged, a misdirected and a tampered CREATE, or if the sealed part is malformed.
 */
export function openCreate(
  body: Uint8Array,
  cellClass: CellClass,
  fromHub: boolean,
  received: Received,
): OpenedCreate | undefined {
  if (body.length !== bodyBytesOf(cellClass)) return undefined
  for (const { place, role } of possibleHops(cellClass, fromHub)) {
    const early = received.early(place, role)
    const sealedBytes = createBytes(body.length, place) - OFFER_BYTES
    const plain = new Uint8Array(sealedBytes - TAG_BYTES)
    const key = createAead(early.createKey, CREATE_NONCE, createAad(cellClass, place))
    const opened = key.open(body, OFFER_BYTES, sealedBytes, plain, 0)
    key.close()
    if (!opened) {
      wipeEarly(early)
      continue
    }
    const routing = readRouting(plain, role)
    return routing === undefined ? undefined : { place, early, routing }
  }
  return undefined
}

/** Hub: the frame for the next hub. The tail behind its part stays zero. */
export function innerCreate(inner: Uint8Array, cellClass: CellClass): Uint8Array {
  const frame = newFrame(cellClass)
  bodyOf(frame).set(inner)
  return frame
}

function readRouting(plain: Uint8Array, role: HopRole): Routing | undefined {
  const reader = new ByteReader(plain)
  const granule = reader.u32()
  if (role === 'relay') {
    const nextId = reader.bytes(HUB_ID_BYTES).slice()
    return { role, granule, nextId, inner: reader.rest() }
  }
  if (plain[TIME_BYTES] === 0) return { role, granule, target: undefined }
  const target = decodeOpen(reader)
  return target === undefined ? undefined : { role, granule, target }
}

const CREATE_NONCE = new Uint8Array(NONCE_BYTES)

function createAad(cellClass: CellClass, place: number): Uint8Array {
  return Uint8Array.of(DIRECTIONS.forward, PHASES.create, cellClass, CELL_TYPES.create, place, ...new Uint8Array(8))
}

function sealPart(plain: Uint8Array, early: EarlySecrets, cellClass: CellClass, place: number): Uint8Array {
  const sealed = new Uint8Array(plain.length + TAG_BYTES)
  const key = createAead(early.createKey, CREATE_NONCE, createAad(cellClass, place))
  key.seal(plain, 0, plain.length, sealed, 0)
  key.close()
  return sealed
}
