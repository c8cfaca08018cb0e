import { ByteReader } from '../base/byte-reader.ts'
import { ByteWriter } from '../base/byte-writer.ts'
import { Fault } from '../base/fault.ts'
import { ED25519_KEY_BYTES, ED25519_SIGNATURE_BYTES } from '../crypto/ed25519.ts'
import { HASH_BYTES } from './hub-map.ts'
import { type SignedTime, TIME_NONCE_BYTES } from './signed-time.ts'

/** What a hub is asked as a mirror, and what it answers (SPEC section 11.13). */

export const MIRROR_PROTOCOL = '/spn/map/1'

const KINDS = { head: 1, map: 2, diff: 3, keys: 4, keyDiff: 5, time: 6 } as const

/** What can be asked for. Hashes, nonce and key have 32 bytes. */
export type MirrorRequest =
  | { readonly kind: 'head' }
  | { readonly kind: 'map' | 'keys'; readonly hash: Uint8Array; readonly offset: number }
  | { readonly kind: 'diff' | 'keyDiff'; readonly from: Uint8Array; readonly to: Uint8Array; readonly offset: number }
  | { readonly kind: 'time'; readonly nonce: Uint8Array; readonly directory: Uint8Array }

export const MIRROR_REQUEST_BYTES = 1 + 4 + HASH_BYTES + HASH_BYTES
/** A longer document comes in pieces, one for a request. */
export const MAX_PIECE_BYTES = 65_536

const NOTHING = new Uint8Array(HASH_BYTES)

/** kind u8 | offset u32 | hash, from or nonce (32) | to or key of the directory (32); zeros where there is nothing to say */
export function encodeMirrorRequest(request: MirrorRequest): Uint8Array {
  const bytes = new Uint8Array(MIRROR_REQUEST_BYTES)
  const [offset, first, second] = fieldsOf(request)
  new ByteWriter(bytes).u8(KINDS[request.kind]).u32(offset).bytes(first).bytes(second)
  return bytes
}

function fieldsOf(request: MirrorRequest): [offset: number, first: Uint8Array, second: Uint8Array] {
  switch (request.kind) {
    case 'head':
      return [0, NOTHING, NOTHING]
    case 'map':
    case 'keys':
      return [request.offset, request.hash, NOTHING]
    case 'diff':
    case 'keyDiff':
      return [request.offset, request.from, request.to]
    case 'time':
      return [0, request.nonce, request.directory]
    default:
      throw request satisfies never
  }
}

/** Copies what it keeps. @throws Fault encoding-invalid also for anything in a field that has nothing to say */
export function decodeMirrorRequest(bytes: Uint8Array): MirrorRequest {
  const reader = new ByteReader(bytes.slice())
  const kind = reader.u8()
  const offset = reader.u32()
  const first = reader.bytes(TIME_NONCE_BYTES)
  const second = reader.bytes(ED25519_KEY_BYTES)
  const request = reader.ended ? requestOf(kind, offset, first, second) : undefined
  if (request === undefined || !Buffer.from(encodeMirrorRequest(request)).equals(bytes)) {
    throw new Fault('encoding-invalid', { kind })
  }
  return request
}

function requestOf(kind: number, offset: number, first: Uint8Array, second: Uint8Array): MirrorRequest | undefined {
  switch (kind) {
    case KINDS.head:
      return { kind: 'head' }
    case KINDS.map:
      return { kind: 'map', hash: first, offset }
    case KINDS.keys:
      return { kind: 'keys', hash: first, offset }
    case KINDS.diff:
      return { kind: 'diff', from: first, to: second, offset }
    case KINDS.keyDiff:
      return { kind: 'keyDiff', from: first, to: second, offset }
    case KINDS.time:
      return { kind: 'time', nonce: first, directory: second }
    default:
      return undefined
  }
}

const STATUS = { found: 0, 'not-found': 1, busy: 2 } as const

/** What is in front of a piece. */
export interface MirrorAnswerHead {
  readonly status: keyof typeof STATUS
  /** Bytes of the whole document; 0 unless it was found. */
  readonly total: number
}

export const MIRROR_ANSWER_HEAD_BYTES = 1 + 4

/** status u8 | total u32 */
export function encodeMirrorAnswerHead({ status, total }: MirrorAnswerHead): Uint8Array {
  const bytes = new Uint8Array(MIRROR_ANSWER_HEAD_BYTES)
  new ByteWriter(bytes).u8(STATUS[status]).u32(total)
  return bytes
}

/** @throws Fault encoding-invalid */
export function decodeMirrorAnswerHead(bytes: Uint8Array): MirrorAnswerHead {
  const reader = new ByteReader(bytes)
  const byte = reader.u8()
  const total = reader.u32()
  const status = (Object.keys(STATUS) as (keyof typeof STATUS)[]).find((name) => STATUS[name] === byte)
  if (!reader.ended || status === undefined || (status === 'found') !== total > 0) throw new Fault('encoding-invalid')
  return { status, total }
}

/** How many bytes of a document come with one answer. */
export function pieceBytes(total: number, offset: number): number {
  return Math.min(MAX_PIECE_BYTES, total - offset)
}

/** The newest map that somebody has. */
export interface MapHeadline {
  readonly epoch: number
  readonly hash: Uint8Array
}

/** epoch u32 | hash of the map (32) */
export function encodeHeadline({ epoch, hash }: MapHeadline): Uint8Array {
  const bytes = new Uint8Array(HEADLINE_BYTES)
  new ByteWriter(bytes).u32(epoch).bytes(hash)
  return bytes
}

/** @throws Fault encoding-invalid */
export function decodeHeadline(bytes: Uint8Array): MapHeadline {
  const reader = new ByteReader(bytes)
  const headline = { epoch: reader.u32(), hash: reader.bytes(HASH_BYTES) }
  if (!reader.ended) throw new Fault('encoding-invalid')
  return headline
}

export const HEADLINE_BYTES = 4 + HASH_BYTES
export const SIGNED_TIME_BYTES = 8 + ED25519_SIGNATURE_BYTES

/** Unix ms u64 | signature (64) */
export function encodeSignedTime({ timeMs, signature }: SignedTime): Uint8Array {
  const bytes = new Uint8Array(SIGNED_TIME_BYTES)
  new ByteWriter(bytes).u64(BigInt(timeMs)).bytes(signature)
  return bytes
}

/** Not checked. @throws Fault encoding-invalid */
export function decodeSignedTime(bytes: Uint8Array): SignedTime {
  const reader = new ByteReader(bytes)
  const time = { timeMs: Number(reader.u64()), signature: reader.bytes(ED25519_SIGNATURE_BYTES) }
  if (!reader.ended) throw new Fault('encoding-invalid')
  return time
}
