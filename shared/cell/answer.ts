import { ByteReader } from '../base/byte-reader.ts'
import { equalBytes, scratch, wipe } from '../base/bytes.ts'
import { CONFIRM_BYTES, type FullSecrets, type Initiated, wipeFirstKeys } from '../crypto/handshake.ts'
import { X25519_BYTES } from '../crypto/x25519.ts'
import { bodyBytesOf, bodyOf, CELL_TYPES, FRAME_HEADER_BYTES, LAYER_TAG_BYTES, newFrame } from './cell.ts'
import { LayerOpener, type LayerSealer } from './layer.ts'

/** An ANSWER is always a cell of the smallest class, whether it brings success or failure (SPEC section 7.3). */
export const ANSWER_CLASS = 1

const STATUS_BYTES = 1
const CLEAR_BYTES = X25519_BYTES + CONFIRM_BYTES

/** How much shorter the answer gets at every hop towards the exit. */
export const ANSWER_SLOT_BYTES = CLEAR_BYTES + STATUS_BYTES + LAYER_TAG_BYTES

/** Status of success; all others are wire bytes of faults. */
export const STATUS_OK = 0

/** Bytes of the body that belong to the hop at this place. */
export function answerBytes(place: number): number {
  return bodyBytesOf(ANSWER_CLASS) - ANSWER_SLOT_BYTES * (place - 1)
}

/**
 * Hub: its answer, with the deeper one sealed inside.
 *
 *     Y (32) | confirm (32) | seal under the backward key, counter 0 ( status u8 | deeper ) | zeros
 *
 * @param backward the sealer of this hop, not used before
 * @param deeper the body of the next hub's ANSWER; undefined at the exit and where the next hub gave none
 */
export function buildAnswer(
  hop: { place: number; y: Uint8Array; confirm: Uint8Array; backward: LayerSealer },
  status: number,
  deeper: Uint8Array | undefined,
): Uint8Array {
  const frame = newFrame(ANSWER_CLASS)
  const body = bodyOf(frame)
  const plain = new Uint8Array(answerBytes(hop.place) - CLEAR_BYTES - LAYER_TAG_BYTES)
  plain[0] = status
  if (deeper !== undefined) plain.set(deeper.subarray(0, plain.length - STATUS_BYTES), STATUS_BYTES)
  body.set(hop.y)
  body.set(hop.confirm, X25519_BYTES)
  const to = FRAME_HEADER_BYTES + CLEAR_BYTES
  hop.backward.sealBytes(plain, 0, plain.length, frame, to, ANSWER_CLASS, CELL_TYPES.answer)
  return frame
}

/** What the client makes of an ANSWER: keys and backward openers of the hops that answered, in order. */
export interface ReadAnswer {
  readonly hops: readonly { full: FullSecrets; backward: LayerOpener }[]
  /** The first hop (place) that did not succeed, with the byte it gave. */
  readonly failed: { readonly place: number; readonly status: number } | undefined
}

/** Client: undefined if any part fails to prove its hub, which means that somebody on the way changed it. */
export function readAnswer(body: Uint8Array, initiated: readonly Initiated[]): ReadAnswer | undefined {
  if (body.length !== answerBytes(1)) return undefined
  const hops: { full: FullSecrets; backward: LayerOpener }[] = []
  let part = scratch(body.length) // each part is opened where it lies, and `body` is not ours
  part.set(body)
  for (const [i, initiator] of initiated.entries()) {
    const hop = readHop(part, initiator, i + 1)
    if (hop === undefined) {
      dropAnswer({ hops })
      return undefined
    }
    hops.push(hop)
    const status = hop.plain[0] as number
    if (status !== STATUS_OK) return { hops, failed: { place: i + 1, status } }
    part = hop.plain.subarray(STATUS_BYTES)
  }
  return { hops, failed: undefined }
}

/** Closes and wipes what an answer brought, if no circuit comes of it. */
export function dropAnswer({ hops }: Pick<ReadAnswer, 'hops'>): void {
  for (const { full, backward } of hops) {
    backward.close()
    wipeFull(full)
  }
}

function wipeFull(full: FullSecrets): void {
  wipeFirstKeys(full)
  wipe(full.forward.ratchet, full.backward.ratchet)
}

function readHop(
  part: Uint8Array,
  hop: Initiated,
  place: number,
): { full: FullSecrets; backward: LayerOpener; plain: Uint8Array } | undefined {
  const reader = new ByteReader(part)
  const y = reader.bytes(X25519_BYTES)
  const confirm = reader.bytes(CONFIRM_BYTES)
  const full = hop.finish(y)
  if (full === undefined) return undefined
  if (equalBytes(confirm, full.confirm)) {
    const backward = new LayerOpener({ direction: 'backward', phase: 'full', place }, full.backward)
    const sealedBytes = answerBytes(place) - CLEAR_BYTES
    if (backward.openBytes(part, CLEAR_BYTES, sealedBytes, part, CLEAR_BYTES, ANSWER_CLASS, CELL_TYPES.answer)) {
      return { full, backward, plain: part.subarray(CLEAR_BYTES, CLEAR_BYTES + sealedBytes - LAYER_TAG_BYTES) }
    }
    backward.close()
  }
  wipeFull(full)
  return undefined
}
