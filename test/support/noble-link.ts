import { join, u16, u32 } from './noble-primitives.ts'

/** SPEC section 10.1: types of frame. */
export const FRAME = {
  pad: 0,
  hello: 1,
  control: 2,
  create: 3,
  answer: 4,
  cell: 5,
  switch: 6,
  credit: 7,
  close: 8,
  ping: 9,
  pong: 10,
  ack: 11,
  pace: 12,
} as const

/** SPEC section 10.1. The length of a cell is 0: its class says it. */
export function nobleFrame(type: number, cellClass: number, circuitId: number, body: Uint8Array): Uint8Array {
  return join([type, cellClass], u16(cellClass === 0 ? body.length : 0), u32(circuitId), body)
}

/** SPEC section 10.1: version, network id. */
export function nobleHello(networkId: Uint8Array): Uint8Array {
  return nobleFrame(FRAME.hello, 0, 0, join([1], networkId))
}

/** SPEC section 10.2: one PAD frame of zeros, which can not be shorter than its header. Empty if none is due. */
export function noblePad(written: number): Uint8Array {
  let gap = (512 - (written % 512)) % 512
  if (gap === 0) return new Uint8Array(0)
  if (gap < 8) gap += 512
  return nobleFrame(FRAME.pad, 0, 0, new Uint8Array(gap - 8))
}
