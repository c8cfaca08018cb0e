import { ByteReader } from '../base/byte-reader.ts'
import type { ByteWriter } from '../base/byte-writer.ts'
import { decodeOpen, encodeOpen, type Purpose } from './purpose.ts'
import { decodeTarget, type Target, targetBytes, writeTarget } from './target.ts'

/** Types of message inside the innermost layer (SPEC section 8). 0 ends the messages of a cell. */
export const MESSAGE_TYPES = {
  open: 1,
  opened: 2,
  refused: 3,
  data: 4,
  fin: 5,
  reset: 6,
  ping: 7,
  pong: 8,
  datagram: 9,
  unreachable: 10,
  echo: 11,
} as const

/** The family of the address that a connection has; of a circuit of packets, those that it sends by: 10 is both. */
export type ExitFamily = 4 | 6 | 10

export type Message =
  | { readonly type: 'open'; readonly target: Purpose }
  | { readonly type: 'opened'; readonly family: ExitFamily }
  | { readonly type: 'refused'; readonly reason: number }
  | { readonly type: 'data'; readonly bytes: Uint8Array }
  | { readonly type: 'fin'; readonly total: bigint }
  | { readonly type: 'reset' }
  | { readonly type: 'ping'; readonly token: bigint }
  | { readonly type: 'pong'; readonly token: bigint }
  | PacketMessage

/** What keeps its boundaries and may get lost: for a circuit of packets, in a cell with others or alone. */
export type PacketMessage =
  /** To this peer, or from it. From the exit the peer is an address. */
  | { readonly type: 'datagram'; readonly peer: Target; readonly bytes: Uint8Array }
  /** From the exit: a datagram to this peer could not be delivered. The reason is a wire byte of SPEC section 12. */
  | { readonly type: 'unreachable'; readonly reason: number; readonly peer: Target }
  | { readonly type: 'echo'; readonly sequence: number; readonly bytes: Uint8Array }

/** Messages of one cell, at most. Each is an object in the memory of who reads it, however few bytes it has. */
export const MAX_CELL_MESSAGES = 8

/** type u8 | length u16 */
export const MESSAGE_HEADER_BYTES = 3

/** Bytes of this message with its header. */
export function messageBytes(message: Message): number {
  return MESSAGE_HEADER_BYTES + payloadBytes(message)
}

/** Writes one message behind the other; the caller has made sure that it fits. */
export function encodeMessage(message: Message, writer: ByteWriter): void {
  writer.u8(MESSAGE_TYPES[message.type]).u16(payloadBytes(message))
  switch (message.type) {
    case 'open':
      writer.bytes(encodeOpen(message.target))
      return
    case 'opened':
      writer.u8(message.family)
      return
    case 'refused':
      writer.u8(message.reason)
      return
    case 'data':
      writer.bytes(message.bytes)
      return
    case 'fin':
      writer.u64(message.total)
      return
    case 'ping':
    case 'pong':
      writer.u64(message.token)
      return
    case 'reset':
      return
    case 'datagram':
      writeTarget(message.peer, writer)
      writer.bytes(message.bytes)
      return
    case 'unreachable':
      writer.u8(message.reason)
      writeTarget(message.peer, writer)
      return
    case 'echo':
      writer.u16(message.sequence).bytes(message.bytes)
      return
    default:
      message satisfies never
  }
}

/**
 * All messages of a cell's application bytes, in order; undefined if any of them is malformed or of an unknown type, or
 * if there are more than `MAX_CELL_MESSAGES`: what waits for a reader that is slow must cost about as much memory as its
 * cells. What follows the end mark is filler and ignored. What has bytes has views of `application`.
 */
export function decodeMessages(application: Uint8Array): Message[] | undefined {
  const messages: Message[] = []
  const reader = new ByteReader(application)
  while (reader.remaining > 0) {
    const type = reader.u8()
    if (type === 0) break
    const payload = reader.bytes(reader.u16())
    const message = reader.overrun ? undefined : decodePayload(type, payload)
    if (message === undefined || messages.length === MAX_CELL_MESSAGES) return undefined
    messages.push(message)
  }
  return messages
}

function payloadBytes(message: Message): number {
  switch (message.type) {
    case 'open':
      return encodeOpen(message.target).length
    case 'opened':
    case 'refused':
      return 1
    case 'data':
      return message.bytes.length
    case 'fin':
    case 'ping':
    case 'pong':
      return 8
    case 'reset':
      return 0
    case 'datagram':
      return targetBytes(message.peer) + message.bytes.length
    case 'unreachable':
      return 1 + targetBytes(message.peer)
    case 'echo':
      return 2 + message.bytes.length
    default:
      return message satisfies never
  }
}

function decodePayload(type: number, payload: Uint8Array): Message | undefined {
  const reader = new ByteReader(payload)
  const message = readPayload(type, reader)
  return reader.ended ? message : undefined
}

function readPayload(type: number, reader: ByteReader): Message | undefined {
  switch (type) {
    case MESSAGE_TYPES.open: {
      const target = decodeOpen(reader)
      return target === undefined ? undefined : { type: 'open', target }
    }
    case MESSAGE_TYPES.opened: {
      const family = reader.u8()
      return family === 4 || family === 6 || family === 10 ? { type: 'opened', family } : undefined
    }
    case MESSAGE_TYPES.refused:
      return { type: 'refused', reason: reader.u8() }
    case MESSAGE_TYPES.data:
      return reader.remaining === 0 ? undefined : { type: 'data', bytes: reader.rest() }
    case MESSAGE_TYPES.fin:
      return { type: 'fin', total: reader.u64() }
    case MESSAGE_TYPES.reset:
      return { type: 'reset' }
    case MESSAGE_TYPES.ping:
      return { type: 'ping', token: reader.u64() }
    case MESSAGE_TYPES.pong:
      return { type: 'pong', token: reader.u64() }
    case MESSAGE_TYPES.datagram: {
      const peer = decodeTarget(reader)
      return peer === undefined ? undefined : { type: 'datagram', peer, bytes: reader.rest() }
    }
    case MESSAGE_TYPES.unreachable: {
      const reason = reader.u8()
      const peer = decodeTarget(reader)
      return peer === undefined ? undefined : { type: 'unreachable', reason, peer }
    }
    case MESSAGE_TYPES.echo:
      return { type: 'echo', sequence: reader.u16(), bytes: reader.rest() }
    default:
      return undefined
  }
}
