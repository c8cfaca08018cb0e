import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { EMPTY, scratch } from '../base/bytes.ts'
import { TAG_BYTES } from '../crypto/aead.ts'
import type { CircuitPublicKey } from '../crypto/circuit-key.ts'
import { CIRCUIT_KEY_ID_BYTES } from '../crypto/circuit-key.ts'
import type { EarlySecrets, HopContext, HopRole, Initiated, Offer } from '../crypto/handshake.ts'
import { initiate, type Received, wipeEarly } from '../crypto/handshake.ts'
import { HUB_ID_BYTES } from '../crypto/hub-key.ts'
import { ML_KEM_CIPHERTEXT_BYTES } from '../crypto/ml-kem.ts'
import { X25519_BYTES } from '../crypto/x25519.ts'
import { bodyBytesOf, bodyOf, CELL_TYPES, type CellClass, MAX_HOPS } from './cell.ts'
import { takeFrame } from './frame-pool.ts'
import { LayerOpener, type LayerPlace, LayerSealer } from './layer.ts'
import { decodeOpen, encodeOpen, type Purpose } from './purpose.ts'

/** key id (4) | X (32) | ct (1088): what stands in the clear in front of each hop's sealed part (SPEC section 7.1). */
export const OFFER_BYTES = CIRCUIT_KEY_ID_BYTES + X25519_BYTES + ML_KEM_CIPHERTEXT_BYTES
const TIME_BYTES = 4

/** How much shorter the CREATE gets at every hop: offer, time, next hub and tag of one relay. */
export const CREATE_SLOT_BYTES = OFFER_BYTES + TIME_BYTES + HUB_ID_BYTES + TAG_BYTES

/** What one hub learns from a CREATE. */
export type Routing =
  | { readonly role: 'relay'; readonly granule: number; readonly nextId: Uint8Array; readonly inner: Uint8Array }
  | { readonly role: 'exit'; readonly granule: number; readonly target: Purpose | undefined }

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
 * @param target what the exit is to do; undefined to say so only after the answer
 */
export function buildCreate(
  hops: readonly CreateHop[],
  granule: number,
  target: Purpose | undefined,
): { frame: Uint8Array; cellClass: CellClass; initiated: Initiated[] } {
  if (hops.length < 1 || hops.length > MAX_HOPS) throw new RangeError('a path has 1 to 4 hops')
  const cellClass = createClass(hops.length)
  const frame = takeFrame(cellClass)
  const body = bodyOf(frame).fill(0)
  const initiated: Initiated[] = []
  // Each part lies inside the one before it, so all are sealed where they lie, the innermost first.
  for (let place = hops.length; place >= 1; place--) {
    const hop = hops[place - 1] as CreateHop
    const isExit = place === hops.length
    const at = (CREATE_SLOT_BYTES - TAG_BYTES) * (place - 1)
    const sealedAt = at + OFFER_BYTES
    const started = initiate(hop.context, hop.key, place, isExit ? 'exit' : 'relay')
    initiated.unshift(started)
    const { keyId, x, ciphertext } = started.offer
    new ByteWriter(body.subarray(at)).bytes(keyId).bytes(x).bytes(ciphertext).u32(granule)
    const next = hops[place]?.context.hubId ?? (target === undefined ? NO_TARGET : encodeOpen(target))
    body.set(next, sealedAt + TIME_BYTES)
    const plainBytes = createBytes(body.length, place) - OFFER_BYTES - TAG_BYTES
    const sealer = new LayerSealer(createLayer(place), { key: started.early.createKey, ratchet: EMPTY })
    sealer.sealBytes(body, sealedAt, plainBytes, body, sealedAt, cellClass, CELL_TYPES.create)
    sealer.close()
  }
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
    const plain = scratch(sealedBytes - TAG_BYTES)
    const opener = new LayerOpener(createLayer(place), { key: early.createKey, ratchet: EMPTY })
    const opened = opener.openBytes(body, OFFER_BYTES, sealedBytes, plain, 0, cellClass, CELL_TYPES.create)
    opener.close()
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
  const frame = takeFrame(cellClass)
  const body = bodyOf(frame)
  body.set(inner)
  body.fill(0, inner.length)
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

/** Stands for a target that is told only after the answer. */
const NO_TARGET = Uint8Array.of(0)

function createLayer(place: number): LayerPlace {
  return { direction: 'forward', phase: 'create', place }
}
